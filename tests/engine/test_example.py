"""The embedding example, run as a user runs it: a process of its own against the simulator."""

from __future__ import annotations

import ast
import functools
import os
import re
import signal
import subprocess
import sys
import types
from pathlib import Path

import anyio
import anyio.abc
import pytest
import trio

import rookery_telegram
from rookery import Engine, open_engine
from rookery_simulator import BotApiSimulator, open_bot_api_simulator
from rookery_telegram import Telegram

ROOT = Path(__file__).parents[2]
SHORTEST = Path(__file__).with_name("embedded_example.md")
"""The documented program that reads `engine.events()` without naming types; it must run as it stands."""
EXAMPLE = ROOT / "examples/echo_bot.py"
TOKEN = "123456:AAbbCCddEEffGGhhIIjjKKllMMnnOOppQQr"


async def run_until(simulator: BotApiSimulator, data: Path, answers: int, stop: signal.Signals) -> str:
    """Run the example until it has sent so many answers; returns its output. It must end cleanly."""
    environment = os.environ | {
        "TELEGRAM_TOKEN": TOKEN,
        "TELEGRAM_API_URL": simulator.url,
        "ECHO_DATA": str(data),
        "PYTHONWARNINGS": "error",
    }
    process = await trio.lowlevel.open_process(
        [sys.executable, str(EXAMPLE)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        with trio.fail_after(20):
            await simulator.wait_until(lambda: len(simulator.bot(TOKEN).sent) >= answers)
            process.send_signal(stop)
            assert process.stdout is not None
            output = b"".join([chunk async for chunk in process.stdout]).decode()
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, output
    assert TOKEN not in output
    return output


async def test_the_shortest_program_answers_every_message_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [program] = re.findall(r"```python\n(.*?)```", SHORTEST.read_text(), re.DOTALL)
    code = compile(program, str(SHORTEST), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    monkeypatch.chdir(tmp_path)
    async with open_bot_api_simulator() as simulator, trio.open_nursery() as nursery:
        bot = simulator.bot(TOKEN)
        monkeypatch.setattr(rookery_telegram, "Telegram", functools.partial(Telegram, api_url=simulator.url))
        program_task = types.FunctionType(code, {"token": TOKEN})
        nursery.start_soon(program_task)
        with trio.fail_after(30):
            for number in range(3):
                bot.push_text(f"hello {number}", chat_id=number + 1)
                await simulator.wait_until(lambda count=number + 1: len(bot.sent) >= count)  # type: ignore[misc]
        nursery.cancel_scope.cancel()
    assert [(sent.chat_id, sent.text) for sent in bot.sent] == [(n + 1, f"hello {n}") for n in range(3)]


def test_it_is_short() -> None:
    assert len(EXAMPLE.read_text().splitlines()) <= 40


@pytest.mark.slow
async def test_it_echoes_and_ends_cleanly_and_goes_on(tmp_path: Path) -> None:
    async with open_bot_api_simulator() as simulator:
        bot = simulator.bot(TOKEN)
        for number in range(3):
            bot.push_text(f"hello {number}", chat_id=number + 1)
        data = tmp_path / "not" / "there yet"
        assert await run_until(simulator, data, 3, signal.SIGINT) == ""
        bot.push_text("while it was away", chat_id=9)
        await run_until(simulator, data, 4, signal.SIGTERM)
        assert sorted(sent.text for sent in bot.sent) == ["hello 0", "hello 1", "hello 2", "while it was away"]
        assert not bot.polls.conflicts


def test_it_runs_in_an_anyio_program_on_trio(tmp_path: Path) -> None:
    """Deadlines, task groups and cancellation of anyio are those of trio there."""
    answered: list[str] = []

    async def echo(engine: Engine, group: anyio.abc.TaskGroup) -> None:
        async for event in engine.events():
            if event.type == "message":
                await engine.send(event.session, to=event.chat, text=event.body["text"])  # type: ignore[arg-type]
                group.cancel_scope.cancel()

    async def main() -> None:
        with anyio.fail_after(30):
            async with open_bot_api_simulator() as simulator:
                bot = simulator.bot(TOKEN)
                bot.push_text("hello", chat_id=7)
                store, providers = f"sqlite:///{tmp_path}/bots.db", [Telegram(api_url=simulator.url)]
                async with open_engine(store=store, providers=providers) as engine:
                    await engine.create_session(id="shop", platform="telegram", credentials={"token": TOKEN})
                    async with anyio.create_task_group() as group:
                        group.start_soon(echo, engine, group)
                answered.extend(sent.text for sent in bot.sent)

    anyio.run(main, backend="trio")
    assert answered == ["hello"]
