"""The dashboard as a place to see what is wrong and to act on many sessions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import trio

from rookery import SessionQuery
from rookery_simulator.bot_api import Fault
from support.webhook_receiver import open_webhook_receiver

PATIENCE = 40.0


async def add_bots(rookery: Any, count: int, prefix: str = "shop") -> None:
    for number in range(count):
        await rookery.engine.create_session(
            id=f"{prefix}-{number:03}",
            platform="telegram",
            credentials={"token": rookery.bots.new_bot().token},
            enabled=False,
        )


async def test_the_overview_tells_what_is_wrong_and_leads_there(rookery: Any, page: Any, tmp_path: Path) -> None:
    await page.go(f"{rookery.url}/")
    await page.see("Overview", "h1")
    await page.see("No sessions yet")
    bot = rookery.bots.new_bot()
    await rookery.engine.create_session(id="good", platform="telegram", credentials={"token": bot.token})
    revoked = rookery.bots.new_bot()
    revoked.revoke()
    await rookery.engine.create_session(id="refused", platform="telegram", credentials={"token": revoked.token})
    with trio.fail_after(PATIENCE):
        await rookery.engine.wait_status("good", "CONNECTED")
        await rookery.engine.wait_status("refused", "AUTH_FAILURE")
    await page.until("document.querySelector('.tile[href*=\"show=you\"] strong').textContent === '1'")
    await page.until("document.querySelector('.tile[href*=\"show=good\"] strong').textContent === '1'")
    await page.see("Replace the token", ".changes")
    await page.screenshot(tmp_path / "overview.png")
    for width, height, phone in ((390, 844, True), (1280, 860, False)):
        await page.resize(width, height, phone=phone)
        await page.screenshot(tmp_path / f"overview-{width}.png")
        assert await page.js("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    await page.click(".tile[href*='show=you']")
    await page.see("refused", ".list")
    await page.not_see("good", ".list")
    assert "show=you" in await page.js("location.hash")
    await page.go(f"{rookery.url}/#/sessions?show=good&q=goo")
    await page.see("good", ".list")
    assert await page.js("document.querySelector('input[type=search]').value") == "goo"


async def test_what_to_do_first_stands_on_the_first_screen_of_a_phone(rookery: Any, page: Any) -> None:
    await page.resize(390, 844, phone=True)
    await page.go(f"{rookery.url}/#/overview")
    await page.see("No sessions yet")
    await page.until("document.querySelector('.empty a').getBoundingClientRect().bottom < innerHeight - 60")
    await page.click(".empty a", "Add a session")
    await page.click("button", "Add the first one")
    await page.see("Talk to @BotFather", "dialog")


async def test_groups_come_with_the_worst_first_and_the_filter_stays_in_the_address(rookery: Any, page: Any) -> None:
    good, revoked = rookery.bots.new_bot(), rookery.bots.new_bot()
    revoked.revoke()
    for id, bot, state in (("good", good, "CONNECTED"), ("refused", revoked, "AUTH_FAILURE")):
        await rookery.engine.create_session(id=id, platform="telegram", credentials={"token": bot.token})
        with trio.fail_after(PATIENCE):
            await rookery.engine.wait_status(id, state)
    await add_bots(rookery, 1, "off")
    await page.go(f"{rookery.url}/#/sessions?by=state")
    await page.until("document.querySelectorAll('.list-heading').length === 3")
    headings = "[...document.querySelectorAll('.list-heading')].map((one) => one.textContent)"
    assert await page.js(headings) == ["Refused 1", "Connected 1", "Stopped 1"]
    await page.click(".list a", "good")
    await page.see("Connected", ".pane header .pill")
    assert await page.js("location.hash") == "#/sessions/good?by=state"
    await page.reload()
    await page.see("Connected", ".pane header .pill")
    await page.until("document.querySelectorAll('.list-heading').length === 3")
    await page.press("Escape")
    await page.until("location.hash === '#/sessions?by=state'")
    await page.see("Choose a session", ".pane")


async def test_fifty_of_two_hundred_sessions_are_started_at_once(rookery: Any, page: Any, tmp_path: Path) -> None:
    await add_bots(rookery, 50, "shop")
    await add_bots(rookery, 150, "other")
    await page.see("200", ".chip .number")
    await page.click("button", "Select")
    await page.js("document.querySelector('input[type=search]').focus()")
    await page.call("Input.insertText", text="shop-")
    await page.not_see("other-000", ".list")
    await page.click(".bulk button", "Select all shown")
    await page.see("50 selected", ".bulk")
    await page.screenshot(tmp_path / "bulk.png")
    await page.click(".bulk button", "Start")
    await page.see("Start 50 sessions?", "dialog")
    await page.click("dialog button", "Start")
    await page.see("Start: 50 sessions.", "#toasts")
    rows = await rookery.engine.list_sessions(SessionQuery(enabled=True, limit=500))
    enabled = {session.id for session in rows}
    assert enabled == {f"shop-{number:03}" for number in range(50)}


async def test_a_key_is_created_shown_once_and_revoked(rookery: Any, page: Any) -> None:
    await page.go(f"{rookery.url}/#/system/keys")
    await page.see("No keys yet besides", "main")
    await page.click("button", "New key")
    await page.fill("Name", "the backend")
    await page.click("dialog button", "Create the key")
    await page.see("shown only once", "dialog")
    key = await page.js("document.querySelector('.new-key').textContent")
    await page.click("dialog button", "I have saved it")
    await page.see("the backend", "main")
    await page.not_see(key)
    async with httpx.AsyncClient(base_url=rookery.url, headers={"Authorization": f"Bearer {key}"}) as client:
        assert (await client.get("/v1/sessions")).status_code == 200
        assert (await client.post("/v1/webhooks", json={"url": "https://example.org"})).status_code == 403
        await page.click("button", "Revoke")
        await page.click("dialog button", "Revoke")
        await page.see("is revoked", "#toasts")
        assert (await client.get("/v1/sessions")).status_code == 401


async def test_the_keys_are_explained(rookery: Any, page: Any) -> None:
    await page.see("Sessions", "h1")
    await page.call("Input.dispatchKeyEvent", type="keyDown", key="?", text="?")
    await page.see("Show these keys", "dialog")
    await page.press("Escape")
    await page.until("document.querySelector('dialog') === null")


async def test_the_tiles_count_what_waits_for_a_webhook(rookery: Any, page: Any) -> None:
    async with open_webhook_receiver() as receiver:
        receiver.status = lambda _: 500
        await rookery.engine.create_webhook(url=receiver.url)
        bot = rookery.bots.new_bot()
        await rookery.engine.create_session(id="shop", platform="telegram", credentials={"token": bot.token})
        with trio.fail_after(PATIENCE):
            await rookery.engine.wait_status("shop", "CONNECTED")
        bot.push_text("hello")
        await page.go(f"{rookery.url}/#/overview")
        await page.until(
            "Number(document.querySelector('.tile[href=\"#/webhooks?show=dead\"] strong')?.textContent) > 0"
        )
        await page.click(".tile[href='#/webhooks?show=dead']")
        await page.see("Only those with dead letters.", "main")
        await page.see("hello", ".letters")


async def test_the_tile_of_waiting_sends_leads_to_the_sessions_that_have_them(rookery: Any, page: Any) -> None:
    await add_bots(rookery, 3)
    bot = rookery.bots.new_bot()
    rookery.bots.faults.add(Fault(kind="status", status=502, token=bot.token, count=10_000))
    await rookery.engine.create_session(id="away", platform="telegram", credentials={"token": bot.token})
    await rookery.engine.submit("away", to="1", text="when you are there")
    await page.go(f"{rookery.url}/#/overview")
    await page.until("document.querySelector('.tile[href*=\"show=waiting\"] strong')?.textContent === '1'")
    await page.click(".tile[href*='show=waiting']")
    await page.see("away", ".list")
    await page.not_see("shop-002", ".list")
    await page.click(".chip", "With waiting sends")
    await page.see("shop-002", ".list")
