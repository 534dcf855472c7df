"""The dashboard under odd circumstances: wrong clocks, foreign and long names, zoom, deleted objects, a single instance."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
import trio

from rookery import Engine
from rookery_http.config.settings import ApiSettings
from rookery_http.serve import serve_api
from store.backends import PostgresBackend
from support.clients.chromium import Page
from support.clients.layout import faults
from support.engines.shared_engines import open_shared, running
from support.fake_platform import FakePlatform
from support.waiting import until

PATIENCE = 40.0
HEBREW = "חנות הפרחים של רחל (ירושלים) 24/7"
LONG = "The<b>customer</b>hotline" * 10
SHIFTED = """
{
  const Real = Date;
  globalThis.Date = class extends Real {
    constructor(...given) { given.length ? super(...given) : super(Real.now() + (%d)); }
    static now() { return Real.now() + (%d); }
  };
}
"""


async def add_bot(rookery: Any, id: str, name: str = "", *, enabled: bool = False) -> Any:
    bot = rookery.bots.new_bot()
    await rookery.engine.create_session(
        id=id, platform="telegram", name=name, credentials={"token": bot.token}, enabled=enabled
    )
    return bot


@pytest.mark.parametrize("hours", [-3, 3])
async def test_a_browser_whose_clock_is_wrong_shows_the_right_ages(rookery: Any, page: Page, hours: int) -> None:
    await rookery.engine.create_session(id="office", platform="whatsapp", name="The office phone")
    shift = hours * 3_600_000
    await page.call("Page.addScriptToEvaluateOnNewDocument", source=SHIFTED % (shift, shift))
    await page.reload()
    await page.click(".list a", "The office phone")
    await page.until("document.querySelector('.qr')?.naturalWidth > 0")
    await page.until("/^The code changes in \\d+ s$/.test(document.querySelector('.countdown .soft')?.textContent)")
    await page.until("/^for (\\d+ s|a moment)$/.test(document.querySelector('.facts time')?.textContent)")
    await page.until("/^(\\d+ s|a moment)$/.test(document.querySelector('.list time')?.textContent)")


async def test_an_address_that_was_cut_or_names_nothing(rookery: Any, page: Page) -> None:
    await page.see("No sessions yet")
    for address, words in {
        "#/sessions/%E0%A4%A": "There is no such session",
        "#/sessions/%": "There is no such session",
        "#/chats/100%25": "No session has the id 100%",
        "#/chats/100%": "No session has the id 100%",
        "#/nothing/of/the/kind?x=%": "Overview",
        "#/system/%": "This instance",
        "#/system/toString": "This instance",
        "#/constructor": "Overview",
        "#/webhooks?show=__proto__": "No webhooks yet",
        "#/sessions?order=constructor&by=toString&show=x": "No sessions yet",
    }.items():
        await page.js("location.hash = '#/help'; 1")
        await page.see("Overview", "h1")
        await page.js(f"location.hash = {address!r}; 1")
        await page.see(words, "main")
    assert page.troubles == []


async def test_what_is_empty_says_why_and_what_to_do_first(rookery: Any, page: Page) -> None:
    await page.go(f"{rookery.url}/#/events")
    await page.see("they come from sessions", "main .quiet")
    await add_bot(rookery, "shop", "The shop")
    await page.click("main .quiet a", "Add a session")
    await page.see("The shop", ".list")
    await page.go(f"{rookery.url}/#/events?type=poll")
    await page.see("No event matches the filter.", "main .quiet")
    await page.go(f"{rookery.url}/#/system/audit")
    await page.see("No changes yet.", "main")
    await page.fill("Key", "nobody")
    await page.press("Enter")
    await page.see("No entry matches.", "main")


async def test_a_session_that_is_deleted_while_it_is_open(rookery: Any, page: Page) -> None:
    await add_bot(rookery, "shop", "The shop")
    await add_bot(rookery, "other", "The other one")
    await page.click(".list a", "The shop")
    await page.see("Stopped", ".pane header .pill")
    await rookery.engine.delete_session("shop")
    await page.see("There is no such session", ".pane")
    await page.not_see("The shop", ".list")
    await page.click(".pane a", "See all sessions")
    await page.see("Choose a session", ".pane")


async def test_long_and_foreign_names_fit_at_any_zoom(rookery: Any, page: Page) -> None:
    """1280 pixels at 200 % are 640."""
    bot = await add_bot(rookery, "shop", HEBREW, enabled=True)
    await add_bot(rookery, "long", LONG[:256])
    with trio.fail_after(PATIENCE):
        await rookery.engine.wait_status("shop", "CONNECTED")
    person = {"id": 7, "is_bot": False, "first_name": HEBREW, "last_name": LONG[:60]}
    bot.push_message({"text": f"שלום! {HEBREW} {LONG}", "from": person}, chat_id=7)
    views = {"#/overview": "h1", "#/sessions": ".list", "#/sessions/shop": ".pane", "#/sessions/long": ".pane"}
    views |= {"#/chats/shop?chat=7": ".bubble", "#/events": ".events li", "#/webhooks": "h1", "#/system/settings": "h3"}
    wrong: list[str] = []
    for address, there in views.items():
        await page.go(f"{rookery.url}/{address}")
        await page.until(
            f"document.querySelector({there!r})?.checkVisibility() && !document.querySelector('main .skeleton')"
        )
        for width, height in ((1280, 860), (640, 430)):
            await page.resize(width, height)
            await page.js("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
            wrong += [f"{address}, {width}: {fault}" for fault in await faults(page)]
        await page.resize(1280, 860)
    assert wrong == []
    await page.go(f"{rookery.url}/#/sessions")
    right = (
        "(() => { const name = [...document.querySelectorAll('.list .name')].find((one) => one.textContent.startsWith('ח'));"
        "return name && getComputedStyle(name).unicodeBidi; })()"
    )
    assert await page.until(right) == "plaintext"


async def test_nothing_moves_for_those_who_do_not_want_it(rookery: Any, page: Page) -> None:
    await page.see("No sessions yet")
    moving = "document.getAnimations().map((one) => one.animationName).filter((name) => name === 'rise')"
    for wanted, expected in (("no-preference", ["rise"]), ("reduce", [])):
        features = [{"name": "prefers-reduced-motion", "value": wanted}]
        await page.call("Emulation.setEmulatedMedia", features=features)
        await page.js("document.getAnimations().length")
        button = "[...document.querySelectorAll('button')].find((one) => one.textContent === 'Add the first one')"
        # Looked at in the same moment: on a busy machine the movement would be over before the next question.
        assert await page.js(f"{button}.click(), {moving}") == expected
        await page.press("Escape")
        await page.until("document.querySelector('dialog') === null")


async def test_what_was_asked_for_the_first_view_is_no_answer_for_a_later_one(rookery: Any, page: Page) -> None:
    """On a slow machine somebody may leave the first view before it has taken its answer."""
    await page.see("No sessions yet")
    left = (
        "new Promise((done) => { globalThis.asked = { address: '/v1/sessions?limit=500', answer: Promise.reject(1) }; "
        "globalThis.asked.answer.catch(() => {}); "
        "addEventListener('hashchange', () => done(globalThis.asked === null), { once: true }); "
        "location.hash = '#/events'; })"
    )
    assert await page.js(left)


async def test_an_instance_whose_database_is_its_own_cannot_be_drained(rookery: Any, page: Page) -> None:
    await page.go(f"{rookery.url}/#/system/instance")
    await page.see("its database cannot be shared", "main")
    assert not await page.js(
        "[...document.querySelectorAll('button')].some((one) => one.textContent.startsWith('Drain') && one.checkVisibility())"
    )


@pytest.fixture
async def shared(postgres: PostgresBackend) -> AsyncIterator[tuple[Engine, str]]:
    """An engine that is alone on a database that others could use, and its address."""
    stop = trio.Event()
    async with open_shared(postgres, FakePlatform(), "one") as engine, trio.open_nursery() as nursery:
        (address, *_) = await nursery.start(partial(serve_api, engine, ApiSettings(port=0, drain=0.5), stop=stop))
        yield engine, address.url
        stop.set()


async def test_draining_says_what_becomes_of_the_sessions(
    shared: tuple[Engine, str], postgres: PostgresBackend, chromium: Any
) -> None:
    engine, url = shared
    await engine.create_session(id="polly", platform="fake")
    page = await chromium.open_page(f"{url}/#/system/instance")
    await page.see("This is the only instance. Start a second one", "main")
    await page.click("button", "Drain this instance")
    await page.see("all of them go offline", "dialog")
    await page.click("dialog button", "Cancel")
    assert "polly" in engine.running_here()
    async with open_shared(postgres, FakePlatform(), "two") as other:
        await page.not_see("This is the only instance", "main")
        await page.click("button", "Drain this instance")
        await page.see("over to the other instances", "dialog")
        await page.click("dialog button", "Drain it")
        await page.see("handed over", "#toasts")
        await page.see("handing over", "main")
        await until(lambda: running(other) == {"polly"})
    assert page.troubles == []
