"""How long from a button to its answer while sends wait: `python bench/bots/answers.py`.

One bot against the simulator in the same process, `--sends` messages queued and paced, then `--queries` callback queries one
after another. The time is from the update's arrival at the server until the answer is known to its caller. `--through other`:
two instances share a private PostgreSQL, and the one that does not run the bot reads the event and answers. `--queued`: the
answer is a message of the queue, not a call.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory

import trio

sys.path.insert(0, str(Path(__file__).parents[1]))

from lab.postgres import DURABLE, private_server

from rookery import Engine, EngineSettings, MessageState, SessionStatus, open_engine
from rookery_simulator import open_bot_api_simulator
from rookery_simulator.bot_api import BotApiSimulator
from rookery_telegram import Telegram

TOKEN = "123456:AAbbCCddEEffGGhhIIjjKKllMMnnOOppQQr"
METHOD = "answerCallbackQuery"


@asynccontextmanager
async def engines(url: str | None, simulator: BotApiSimulator, sends: int) -> AsyncIterator[tuple[Engine, Engine]]:
    """The engine that runs the bot, and the one that answers."""
    with TemporaryDirectory() as directory:
        async with AsyncExitStack() as stack:
            opened: list[Engine] = []
            for name in ("owner",) if url is None else ("owner", "other"):
                engine = await stack.enter_async_context(
                    open_engine(
                        store=url or f"sqlite:///{directory}/bench.db",
                        providers=[Telegram(api_url=simulator.url, poll_timeout=20)],
                        settings=EngineSettings(max_pending_sends=sends + 1),
                        instance=name,
                        secret_key=None if url is None else "a key for benchmarks",
                    )
                )
                if not opened:
                    await engine.create_session(id="bot", platform="telegram", credentials={"token": TOKEN})
                    await engine.wait_status("bot", SessionStatus.CONNECTED)
                opened.append(engine)
            yield opened[0], opened[-1]


async def answer(engine: Engine, query: str, *, queued: bool) -> None:
    params = {"callback_query_id": query}
    if not queued:
        await engine.call("bot", METHOD, params)
        return
    done = await engine.submit("bot", to=5, type="telegram", method=METHOD, params=params, wait=60)
    assert done.state is MessageState.SENT, done


async def measure(url: str | None, sends: int, queries: int, queued: bool) -> list[float]:
    """Seconds of each answer."""
    times: list[float] = []
    async with open_bot_api_simulator() as simulator, engines(url, simulator, sends) as (owner, other):
        bot = simulator.bot(TOKEN)
        for start in range(0, sends, 1000):
            batch = [{"to": str(1000 + n % 200), "text": f"{n}"} for n in range(start, min(sends, start + 1000))]
            await owner.submit_batch("bot", batch)
        events = other.events(after=0, types=["callback_query"])
        user = {"id": 5, "is_bot": False, "first_name": "Ann"}
        for number in range(queries):
            started = trio.current_time()
            bot.push_update({"callback_query": {"id": f"{number}", "from": user, "data": "x"}})
            event = await anext(events)
            await answer(other, event.body["id"], queued=queued)
            times.append(trio.current_time() - started)
        await events.aclose()
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sends", type=int, default=2000)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--through", choices=["owner", "other"], default="owner")
    parser.add_argument("--queued", action="store_true")
    options = parser.parse_args()
    with nullcontext() if options.through == "owner" else private_server(*DURABLE) as server:
        url = None if server is None else server.url
        times = sorted(trio.run(measure, url, options.sends, options.queries, options.queued))
    p99 = times[min(len(times) - 1, int(len(times) * 0.99))]
    print(f"{options.queries} answers, {options.sends} queued sends:", end=" ")
    print(f"p50 {statistics.median(times) * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms, most {times[-1] * 1000:.1f} ms")


if __name__ == "__main__":
    main()
