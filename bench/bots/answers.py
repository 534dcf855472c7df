"""How long from a button to its answer while sends wait: `python bench/bots/answers.py`.

One bot against the simulator in the same process, `--sends` messages queued and paced, then `--queries` callback queries one
after another. The time is from the update's arrival at the server to the return of `answerCallbackQuery`.
"""

from __future__ import annotations

import argparse
import statistics
from tempfile import TemporaryDirectory

import trio

from rookery import EngineSettings, SessionStatus, open_engine
from rookery_simulator import open_bot_api_simulator
from rookery_telegram import Telegram

TOKEN = "123456:AAbbCCddEEffGGhhIIjjKKllMMnnOOppQQr"


async def measure(sends: int, queries: int) -> list[float]:
    """Seconds of each answer."""
    times: list[float] = []
    with TemporaryDirectory() as directory:
        async with open_bot_api_simulator() as simulator:
            opening = open_engine(
                store=f"sqlite:///{directory}/bench.db",
                providers=[Telegram(api_url=simulator.url, poll_timeout=20)],
                settings=EngineSettings(max_pending_sends=sends + 1),
            )
            async with opening as engine:
                await engine.create_session(id="bot", platform="telegram", credentials={"token": TOKEN})
                await engine.wait_status("bot", SessionStatus.CONNECTED)
                bot = simulator.bot(TOKEN)
                for number in range(sends):
                    await engine.submit("bot", to=1000 + number % 200, text=f"{number}")
                events = engine.events(after=0, types=["callback_query"])
                user = {"id": 5, "is_bot": False, "first_name": "Ann"}
                for number in range(queries):
                    started = trio.current_time()
                    bot.push_update({"callback_query": {"id": f"{number}", "from": user, "data": "x"}})
                    event = await anext(events)
                    await engine.call("bot", "answerCallbackQuery", {"callback_query_id": event.body["id"]})
                    times.append(trio.current_time() - started)
                await events.aclose()
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sends", type=int, default=2000)
    parser.add_argument("--queries", type=int, default=200)
    options = parser.parse_args()
    times = sorted(trio.run(measure, options.sends, options.queries))
    p99 = times[min(len(times) - 1, int(len(times) * 0.99))]
    print(f"{options.queries} answers, {options.sends} queued sends:", end=" ")
    print(f"p50 {statistics.median(times) * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms, most {times[-1] * 1000:.1f} ms")


if __name__ == "__main__":
    main()
