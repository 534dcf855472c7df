"""A server with both platforms, simulated, and a browser that looks at its dashboard."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import trio

from rookery import Engine, EngineSettings, open_engine
from rookery.provider.capabilities import Reached
from rookery_http.compose import platform_inputs
from rookery_http.config.settings import ApiSettings
from rookery_http.serve import serve_api
from rookery_simulator.bot_api import BotApiSimulator, open_bot_api_simulator
from rookery_simulator.whatsapp import WhatsAppSimulator, open_whatsapp_simulator
from rookery_telegram import Telegram
from rookery_whatsapp import WhatsApp
from support.clients.chromium import Chromium, Page, find_chromium, open_chromium
from support.whatsapp_engine import provider

SETTINGS = EngineSettings(
    backoff_network=0.3,
    backoff_server_error=0.3,
    backoff_jitter=0.1,
    logout_settle=0.1,
    webhook_attempts=2,
    webhook_backoff=0.05,
    webhook_timeout=2.0,
)


@dataclass
class Rookery:
    """What a test needs: the engine behind the page, the simulators behind the engine."""

    engine: Engine
    url: str
    bots: BotApiSimulator
    whatsapp: WhatsAppSimulator


@pytest.fixture
async def rookery(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Rookery]:
    """`@pytest.mark.parametrize("rookery", ["sesame"], indirect=True)` asks for a key."""
    key = getattr(request, "param", None)
    stop = trio.Event()
    async with (
        open_bot_api_simulator() as bots,
        open_whatsapp_simulator() as whatsapp,
        open_engine(
            store=f"sqlite:///{tmp_path}/rookery.db",
            providers=[Telegram(api_url=bots.url, poll_timeout=20), provider(whatsapp, tmp_path)],
            settings=SETTINGS,
        ) as engine,
        trio.open_nursery() as nursery,
    ):
        settings = ApiSettings(port=0, drain=0.5, key=key)
        (address, *_) = await nursery.start(
            partial(serve_api, engine, settings, stop=stop, platforms=platform_inputs())
        )
        yield Rookery(engine, address.url, bots, whatsapp)
        stop.set()


@pytest.fixture(autouse=True)
def no_real_server_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The doctor would look whether WhatsApp's own server answers."""

    async def reach(_: WhatsApp) -> Reached:
        return Reached("not asked in tests")

    monkeypatch.setattr(WhatsApp, "reach", reach)


@pytest.fixture
async def chromium(tmp_path: Path) -> AsyncIterator[Chromium]:
    if find_chromium() is None and not os.environ.get("CI"):
        pytest.skip("no chromium on this machine")
    async with open_chromium(tmp_path) as browser:
        yield browser


@pytest.fixture
async def page(rookery: Rookery, chromium: Chromium) -> AsyncIterator[Page]:
    """The dashboard. Afterwards: it logged no error and made requests to its own server only."""
    page = await chromium.open_page(f"{rookery.url}/#/sessions")
    yield page
    assert page.troubles == []
    # `data:` is the picture that the browser itself puts on a field for a date.
    own = (rookery.url, "blob:", "about:", "data:image/svg+xml;")
    strangers = [one for one in page.addresses if not one.startswith(own)]
    assert strangers == []
