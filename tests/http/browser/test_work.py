"""A day's work on the page: pairing from afar, answering, finding out why, and servers that come and go."""

from __future__ import annotations

import json
import re
import sqlite3
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from PIL import Image

from rookery.errors import Rejected
from rookery_simulator.bot_api import Fault, open_bot_api_simulator
from support.clients.chromium import Page, open_chromium, qr_codes
from support.server_process import open_server_process
from support.waiting import until_found

PATIENCE = 40.0
KEY = "a-key-for-the-dashboard-1"
OTHER_KEY = "another-key-for-the-page-2"


async def add_bot(rookery: Any, id: str, **options: Any) -> Any:
    bot = rookery.bots.new_bot()
    await rookery.engine.create_session(
        id=id, platform="telegram", name=options.pop("name", ""), credentials={"token": bot.token}, **options
    )
    if options.get("enabled", True):
        with trio.fail_after(PATIENCE):
            await rookery.engine.wait_status(id, "CONNECTED")
    return bot


async def test_a_phone_far_away_is_linked_and_its_chat_answered(rookery: Any, page: Page, tmp_path: Path) -> None:
    """Its owner opens a link in a browser of their own, without a key; then the tick of an answer changes."""
    alice, bob = rookery.whatsapp.phone("4915100000001", "Alice"), rookery.whatsapp.phone("4915100000002", "Bob")
    await rookery.engine.create_session(id="office", platform="whatsapp", name="The office phone")
    await page.click(".list a", "The office phone")
    await page.until("document.querySelector('.qr')?.naturalWidth > 0")
    await page.see("The code changes in", ".countdown")
    await page.click("button", "Full screen")
    await page.until("document.querySelector('dialog.full .qr-large')?.naturalWidth > 0")
    await page.see("The code changes in", "dialog.full")
    await page.press("Escape")
    await page.click("button", "Make a link")
    link = await page.until("document.querySelector('.pair-link input')?.value")
    await page.see("The link works for", ".pair-link")
    (tmp_path / "second").mkdir()
    async with open_chromium(tmp_path / "second") as chromium:
        owner = await chromium.open_page(link)
        await owner.until("document.querySelector('svg') !== null")
        [code] = await until_found(partial(qr_codes, owner, tmp_path), seconds=PATIENCE)
        with trio.fail_after(PATIENCE):
            device = await alice.scan(code)
        await page.see("is linked", "#toasts")
        await page.see("Connected", ".pane header .pill")
        with trio.fail_after(PATIENCE):
            await device.wait_active()
    await page.see("+4915100000001", ".pane")
    bob.send_text(alice, "Are you open today?")
    await page.click(".actions a", "Chats")
    await page.see("Are you open today?", ".list")
    await page.click(".list a", "Are you open today?")
    await page.see("Are you open today?", ".bubbles")
    await page.click("textarea")
    await page.call("Input.insertText", text="Until six.")
    await page.press("Enter")
    await page.see("Until six.", ".bubble.out")
    with trio.fail_after(PATIENCE):
        received = await bob.next_message()
    assert received.text == "Until six."
    await page.until("document.querySelector('.bubble.out .ticks').textContent === '✓✓'")
    bob.mark_read(received)
    await page.until("document.querySelector('.bubble.out .ticks').title === 'Read'")
    await page.screenshot(tmp_path / "answered.png")


async def test_what_an_account_may_not_do_is_said_with_its_end(rookery: Any, page: Page) -> None:
    alice, carol = rookery.whatsapp.phone("4915100000001", "Alice"), rookery.whatsapp.phone("4915100000003", "Carol")
    await rookery.engine.create_session(id="office", platform="whatsapp", name="The office phone")
    with trio.fail_after(PATIENCE):
        await rookery.engine.wait_status("office", "QR_REQUIRED")
        device = await alice.scan((await rookery.engine.pairing("office")).code)
        await rookery.engine.wait_status("office", "CONNECTED")
        await device.wait_active()
        device.send_error = 463
        with pytest.raises(Rejected):
            await rookery.engine.send("office", to=carol.number, text="who are you?")
    await page.click(".list a", "The office phone")
    await page.see("(463)", ".limit")
    dated = r"\w+, [\w ]+, \d\d:\d\d:\d\d"  # in the reader's zone and manner
    text = "document.querySelector('.limit').innerText"
    assert re.search(f"^▲ Until {dated} the platform", await page.js(text))
    device.ban(code=104, seconds=86_400)
    await page.see("The platform has banned this account", ".limit")
    assert re.search(f"until {dated}", await page.js(text))
    await page.see("Down", ".pane header .pill")


async def test_why_a_session_was_down_yesterday(rookery: Any, page: Page, tmp_path: Path) -> None:
    bot = await add_bot(rookery, "shop", name="The shop")
    rookery.bots.faults.add(Fault(kind="status", status=502, token=bot.token, count=2))
    await rookery.engine.restart("shop")
    with trio.fail_after(PATIENCE):
        await rookery.engine.wait_status("shop", "RECONNECTING")
        await rookery.engine.wait_status("shop", "CONNECTED")
    # What happened now becomes what happened 20 hours ago; the session has been well since.
    with sqlite3.connect(tmp_path / "rookery.db", timeout=20) as database:
        database.execute("UPDATE events SET time = time - 72000, stored_at = stored_at - 72000")
        database.execute("UPDATE history SET at = at - 72000")
    await page.go(f"{rookery.url}/#/sessions/shop")
    await page.see("The last day", ".day")
    await page.see("Choose a coloured quarter of an hour", ".strip-words")
    await page.click(".strip button.slot")
    await page.see("502", ".strip-words")
    await page.see(time.strftime("%-d %b", time.localtime(time.time() - 72000)).split()[1], ".strip-words")
    await page.screenshot(tmp_path / "why.png")
    await page.go(f"{rookery.url}/#/events?session=shop&type=session.status")
    await page.see("502", ".events")
    await page.js("document.getElementById('by-time').value = '2020-01-01T00:00:00'; 1")
    await page.js("document.getElementById('by-time').dispatchEvent(new Event('change'))")
    await page.see("From ", "main")
    await page.see("502", ".events")
    assert "at=2020" in await page.js("location.hash")
    await page.js("window.saved = []; URL.createObjectURL = (blob) => (saved.push(blob), '#'); 1")
    await page.js("HTMLAnchorElement.prototype.click = () => {}; 1")
    await page.click("button", "Export as JSON lines")
    await page.until("saved.length === 1")
    lines = [json.loads(line) for line in (await page.js("saved[0].text()")).splitlines()]
    assert {line["type"] for line in lines} == {"session.status"}
    assert any("502" in line["body"]["detail"] for line in lines)


async def test_settings_are_changed_and_mistakes_stand_at_their_field(rookery: Any, page: Page) -> None:
    await add_bot(rookery, "shop", name="The shop", enabled=False)
    await page.click(".list a", "The shop")
    await page.click(".actions button", "Settings")
    await page.see("socks5://", "dialog")
    await page.not_see("Http://", "dialog")
    await page.fill("Name", "The corner shop")
    await page.fill("Proxy", "nonsense")
    await page.click("dialog button", "Save")
    await page.until("document.querySelector('dialog [name=proxy]').getAttribute('aria-invalid') === 'true'")
    assert await page.js("document.activeElement.name") == "proxy"
    assert await page.js("document.querySelector('dialog .field:has([name=proxy]) .error').textContent") != ""
    await page.fill("Proxy", "socks5://me:swordfish@127.0.0.1:1080")
    await page.fill("Sends per second per group", "7")
    await page.click("dialog button", "Save")
    await page.see("The corner shop", ".pane h2")
    session = await rookery.engine.get_session("shop")
    assert session.settings == {"sends_per_second_per_group": 7, "proxy": "socks5://me:swordfish@127.0.0.1:1080"}
    await page.click(".actions button", "Settings")
    await page.until("document.querySelector('dialog [name=proxy]')?.value.includes('***')")
    await page.click("dialog button", "Save")
    await page.see("The password is hidden here", "dialog .error")
    assert (await rookery.engine.get_session("shop")).settings == session.settings


async def test_a_webhook_gets_the_types_that_were_ticked(rookery: Any, page: Page) -> None:
    await page.go(f"{rookery.url}/#/webhooks")
    await page.click("button", "Add the first webhook")
    await page.fill("Address", "ftp://example.org")
    await page.click("dialog button.primary", "Add")
    await page.until("document.querySelector('dialog [name=url]').getAttribute('aria-invalid') === 'true'")
    await page.fill("Address", "http://127.0.0.1:9/hook")
    await page.click("dialog .choice", "Only these")
    await page.until("document.querySelector('dialog input[value=edited_message]')?.checkVisibility()")
    await page.click("dialog button.primary", "Add")
    await page.see("Tick at least one type", "dialog")
    await page.click("dialog .type-group .choice", "edited_message")
    await page.fill("Patterns", "session.*")
    await page.click("dialog button.primary", "Add")
    await page.click("dialog button", "I have saved it")
    [webhook] = await rookery.engine.list_webhooks()
    assert webhook.events == ("edited_message", "session.*")
    await page.click("article button", "Test")
    await page.see("The test did not arrive", ".test-result")
    await page.click("article button", "Edit")
    await page.until("document.querySelector('dialog input[value=edited_message]')?.checked")
    await page.click("dialog .choice", "Every type")
    await page.click("dialog button.primary", "Save")
    await page.see("every type", "article")
    assert (await rookery.engine.get_webhook(webhook.id)).events is None


async def test_a_meter_is_filled_to_its_whole_height(rookery: Any, page: Page, tmp_path: Path) -> None:
    await page.go(f"{rookery.url}/#/system/instance")
    place = "document.querySelector('meter').getBoundingClientRect()"
    await page.until(f"document.querySelector('meter') && {place}.bottom < innerHeight")
    left, top, right, bottom = await page.js(f"(({{ x, y, right, bottom }}) => [x, y, right, bottom])({place})")
    await page.screenshot(tmp_path / "meter.png")
    with Image.open(tmp_path / "meter.png") as picture:
        rows = range(int(top) + 2, int(bottom) - 2)
        filled = [picture.getpixel((int(left) + 9, y)) != picture.getpixel((int(right) - 9, y)) for y in rows]
    assert filled
    assert all(filled)


async def test_the_system_in_its_parts(rookery: Any, page: Page) -> None:
    await add_bot(rookery, "shop", name="The shop")
    await rookery.engine.create_session(
        id="later", platform="telegram", credentials={"token": "1:x-0123456789"}, enabled=False
    )
    for part, words in [
        ("instance", "agrees with the database"),
        ("doctor", "open files"),
        ("logs", "connected as"),
        ("audit", "No changes yet"),
        ("files", "No files yet"),
        ("settings", "ROOKERY_KEEP_ALIVE"),
        ("tasks", "session shop"),
    ]:
        await page.go(f"{rookery.url}/#/system/{part}")
        await page.see(words, "main")
    await page.js("document.querySelector('input[type=search]').focus()")
    await page.call("Input.insertText", text="session shop")
    await page.until(
        "[...document.querySelectorAll('.tasks li')].every((one) => one.textContent.includes('session shop'))"
    )
    await page.go(f"{rookery.url}/#/sessions/nobody")
    await page.see("There is no such session", ".pane")


async def test_a_server_that_restarts_and_a_key_that_is_changed(chromium: Any, tmp_path: Path) -> None:
    """A real process: the page says that nothing answers, keeps what it has, and carries out what was asked meanwhile."""
    async with open_bot_api_simulator() as bots:
        bot = bots.new_bot()
        environment = {"ROOKERY_TELEGRAM_API_URL": bots.url, "ROOKERY_API_KEY": KEY, "ROOKERY_SHUTDOWN_GRACE": "2"}
        async with open_server_process(tmp_path / "data", environment=environment) as server:
            url = await server.listening()
            page = await chromium.open_page(f"{url}/#/sessions")
            await page.fill("Key", KEY)
            await page.press("Enter")
            await page.see("No sessions yet")
            async with server.client() as client:
                document = {"id": "shop", "platform": "telegram", "credentials": {"token": bot.token}}
                await client.post("/v1/sessions", json=document, headers={"Authorization": f"Bearer {KEY}"})
            await page.click(".list a", "shop")
            await page.see("Connected", ".pane header .pill")
            server.process.kill()
            await server.ended(20)
        await page.see("last seen", "#pulse")
        assert await page.js("document.documentElement.dataset.server") == "away"
        await page.see("Connected", ".pane header .pill")
        await page.click(".pane button", "Stop")
        await page.click("dialog button", "Stop")
        await page.see("as soon as it is back", "#toasts")
        environment |= {"ROOKERY_PORT": url.rpartition(":")[2]}
        async with open_server_process(tmp_path / "data", environment=environment) as server:
            await server.listening()
            await page.see("connected here", "#pulse")
            await page.see("Stopped", ".pane header .pill")
            server.process.terminate()
            await server.ended(20)
        environment |= {"ROOKERY_API_KEY": OTHER_KEY}
        async with open_server_process(tmp_path / "data", environment=environment) as server:
            await server.listening()
            await page.see("Sign in")
            await page.fill("Key", "wrong")
            await page.press("Enter")
            await page.see("This is not the key.", ".sign-in .error")
            await page.fill("Key", OTHER_KEY)
            await page.press("Enter")
            await page.see("Stopped", ".pane header .pill")
        assert page.troubles == []
