"""What the dashboard costs in a browser: `python bench/browser/dashboard.py`.

A real server and a real Chromium, both on this machine. First an empty server: bytes on the wire, the first contentful
paint, and when the page shows figures of the server. Then so many sessions, of which so many change their state every
second, in each view in turn: the share of a core that the page's own process takes.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import trio

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

from rookery import Engine, EngineSettings, OutboundMessage, Receipt, Session, open_engine
from rookery.errors import ProviderError
from rookery.provider.contract import Inbox
from rookery_http.config.settings import ApiSettings
from rookery_http.serve import serve_api
from support.clients.chromium import Page, open_chromium

SETTINGS = EngineSettings(backoff_network=0.2, backoff_jitter=0.5, start_stagger=0.0)
VIEWS = {"overview": "#/overview", "cards": "#/sessions", "one session": "#/sessions/s-0007", "events": "#/events"}
USEFUL = """
  window.usefulAt = null;
  new MutationObserver((_, watcher) => {
    const figure = document.querySelector('.tile strong')?.textContent;
    if (figure && figure !== '–') { window.usefulAt = performance.now(); watcher.disconnect(); }
  }).observe(document, { subtree: true, childList: true, characterData: true });
"""


class Wavering:
    """A platform whose links last about `seconds` and come back at once: each time two changes of state."""

    platform = "wavering"

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        yield

    def check(self, credentials: Mapping[str, str], settings: Mapping[str, Any]) -> None:
        pass

    @asynccontextmanager
    async def open_link(self, session: Session, inbox: Inbox) -> AsyncIterator[WaveringLink]:
        yield WaveringLink(self._seconds * random.uniform(0.5, 1.5))


class WaveringLink:
    """One connection that ends after a while."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    async def run(self) -> None:
        await trio.sleep(self._seconds)
        raise ProviderError("the connection was lost")

    async def send(self, message: OutboundMessage) -> Receipt:
        raise ProviderError("nothing is sent here")


@asynccontextmanager
async def served(directory: str, seconds: float) -> AsyncIterator[tuple[Engine, str]]:
    """An engine behind the API on a free port."""
    stop = trio.Event()
    store = f"sqlite:///{directory}/rookery.db"
    async with (
        open_engine(store=store, providers=[Wavering(seconds)], settings=SETTINGS) as engine,
        trio.open_nursery() as nursery,
    ):
        serving = partial(serve_api, engine, ApiSettings(port=0, drain=0.5), stop=stop)
        (address, *_) = await nursery.start(serving)
        yield engine, address.url
        stop.set()


async def loading(browser: Any, url: str) -> dict[str, float]:
    """Milliseconds and bytes of one visit with an empty cache."""
    page = await browser.open_page("about:blank")
    await page.call("Page.addScriptToEvaluateOnNewDocument", source=USEFUL)
    await page.call("Network.setCacheDisabled", cacheDisabled=True)
    await page.go(f"{url}/#/overview")
    useful = await page.until("window.usefulAt")
    paint = await page.until("performance.getEntriesByName('first-contentful-paint')[0]?.startTime")
    size = await page.js(
        "[performance.getEntriesByType('navigation')[0], ...performance.getEntriesByType('resource')]"
        ".filter((one) => !one.name.includes('/v1/')).reduce((sum, one) => sum + one.encodedBodySize, 0)"
    )
    await page.close()  # an open page goes on asking, which costs as much as what is measured next
    return {"paint": paint, "useful": useful, "bytes": size}


async def renderer_seconds(browser: Any) -> float:
    """CPU seconds of all page processes so far."""
    found = await browser.call("SystemInfo.getProcessInfo")
    return sum(float(one["cpuTime"]) for one in found["processInfo"] if one["type"] == "renderer")


async def load_of(browser: Any, page: Page, seconds: float) -> float:
    """The share of a core, in percent, over so many seconds."""
    await trio.sleep(3)  # what a view does once, when it is opened
    before, began = await renderer_seconds(browser), trio.current_time()
    await trio.sleep(seconds)
    return 100 * (await renderer_seconds(browser) - before) / (trio.current_time() - began)


async def changes(engine: Engine) -> int:
    """Changes of state so far."""
    return sum(minute.changes for minute in (await engine.overview()).minutes)


async def main(options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as directory:
        lasting = 2 * options.sessions / options.changes
        async with served(directory, lasting) as (engine, url), open_chromium(Path(directory)) as browser:
            visits = [await loading(browser, url) for _ in range(options.visits)]
            for name, unit in (
                ("paint", "ms to the first paint"),
                ("useful", "ms to the first figures"),
                ("bytes", "bytes"),
            ):
                values = sorted(visit[name] for visit in visits)
                print(f"{values[len(values) // 2]:10,.0f} {unit} (median of {len(values)}, at most {values[-1]:,.0f})")
            for number in range(options.sessions):
                await engine.create_session(id=f"s-{number:04}", platform="wavering", credentials={"token": "x"})
            await trio.sleep(10)
            page = await browser.open_page(f"{url}/#/overview")
            for name, address in VIEWS.items():
                await page.go(f"{url}/{address}")
                first, began = await changes(engine), trio.current_time()
                load = await load_of(browser, page, options.seconds)
                rate = (await changes(engine) - first) / (trio.current_time() - began)
                print(f"{load:10.1f} % of a core: {name}, {options.sessions} sessions, {rate:.0f} changes a second")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=500)
    parser.add_argument("--changes", type=float, default=50, help="changes of state a second, of all sessions")
    parser.add_argument("--seconds", type=float, default=15, help="how long each view is measured")
    parser.add_argument("--visits", type=int, default=5)
    trio.run(main, parser.parse_args())
