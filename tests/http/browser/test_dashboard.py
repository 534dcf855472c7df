"""The dashboard as people use it: with a mouse, with a keyboard alone, on a phone, in the dark."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from operator import eq
from pathlib import Path
from typing import Any

import pytest
import trio

from rookery_simulator.bot_api import Fault
from support.clients.chromium import qr_codes
from support.waiting import until_found
from support.webhook_receiver import open_webhook_receiver


@dataclass
class Code:
    """A code to scan."""

    kind: str
    code: str
    expires_at: float


ADA, BOB = 5501, 5502
NASTY = '<img src=x onerror="window.hacked = 1"><script>window.hacked = 1</script>'
PATIENCE = 40.0


async def add_bot(rookery: Any, id: str, name: str) -> Any:
    """A connected bot, added behind the page's back."""
    bot = rookery.bots.new_bot()
    bot.username = f"{id}_bot"
    await rookery.engine.create_session(id=id, platform="telegram", name=name, credentials={"token": bot.token})
    with trio.fail_after(PATIENCE):
        await rookery.engine.wait_status(id, "CONNECTED")
    return bot


async def test_a_bot_is_added_hears_and_answers(rookery: Any, page: Any, tmp_path: Path) -> None:
    bot = rookery.bots.new_bot()
    await page.see("No sessions yet")
    await page.screenshot(tmp_path / "empty.png")
    await page.click("button", "Add the first one")
    await page.fill("Token", "nonsense")
    await page.click("dialog button", "Add the bot")
    await page.see("token", "dialog .error")
    assert await page.js("document.activeElement.name") == "token", "the field that is to blame"
    await page.screenshot(tmp_path / "add.png")
    await page.fill("Token", bot.token)
    await page.fill("Name", "The shop")
    await page.fill("Id", "shop")
    await page.click("dialog button", "Add the bot")
    await page.see("Connected", ".pane header .pill")
    assert await page.js("document.querySelector('dialog')") is None

    bot.push_text("Is the blue one still there?", chat_id=ADA)
    await page.see("Is the blue one still there?", ".pane .events")
    await page.click(".pane .events button", "Reply")
    await page.call("Input.insertText", text="It is. Shall I put it aside?")
    await page.click(".pane form button", "Send")
    await page.see("Sent", ".sent")
    with trio.fail_after(PATIENCE):
        await rookery.bots.wait_until(lambda: bool(bot.sent))
    assert (bot.sent[0].chat_id, bot.sent[0].text) == (ADA, "It is. Shall I put it aside?")
    await page.see("Connected", ".timeline")
    await page.screenshot(tmp_path / "session.png")

    await page.fill("To", "")
    await page.fill("Message", "to nobody")
    await page.click(".pane form button", "Send")
    await page.until("document.querySelector('.pane form .error').textContent.endsWith('.')")


async def test_a_scheduled_send_is_cancelled(rookery: Any, page: Any, tmp_path: Path) -> None:
    bot = await add_bot(rookery, "shop", "The shop")
    later = await rookery.engine.submit("shop", to=str(ADA), text="later", send_at=time.time() + 3 * 3600)
    await page.click(".list a", "The shop")
    await page.see("Scheduled", ".sent")
    await page.see("in 3 h", ".sent")
    await page.screenshot(tmp_path / "scheduled.png")
    await page.click(".sent button", "Cancel the send")
    await page.see("Cancelled", ".sent")
    await page.until("!document.querySelector('.sent button').checkVisibility()")
    assert (await rookery.engine.get_message(later.id)).state == "cancelled"
    assert not bot.sent


async def test_whatever_comes_from_outside_stays_text(rookery: Any, page: Any) -> None:
    bot = await add_bot(rookery, "evil", NASTY)
    bot.push_text(NASTY, chat_id=ADA)
    await page.see(NASTY, ".list")
    await page.click(".list a", NASTY)
    await page.see(NASTY, ".pane .events")
    await page.see(NASTY, ".pane h2")
    await page.click(".tabs a", "Events")
    await page.see("Events", "h1")  # not the list of the session, which is there until the page has changed
    await page.see(NASTY, ".events")
    await page.click(".events summary", NASTY)
    await page.see("onerror", ".events pre")
    assert await page.js("window.hacked") is None
    assert await page.js("document.querySelectorAll('main img, main script').length") == 0


async def test_the_file_of_a_message_is_saved(rookery: Any, page: Any, tmp_path: Path) -> None:
    bot = await add_bot(rookery, "shop", "The shop")
    bot.push_text("Here is the list:", chat_id=ADA)
    bot.push_document(b"a parrot, a perch" * 100, f"list {NASTY[:9]}.txt", chat_id=ADA)
    bot.push_message({"document": {"file_id": "nobody knows", "file_unique_id": "x"}}, chat_id=BOB)
    await page.js(
        "window.saved = []; URL.createObjectURL = (blob) => (saved.push(blob), '#');"
        "HTMLAnchorElement.prototype.click = function () { saved.push(this.download); }; 1"
    )
    await page.click(".list a", "The shop")
    await page.see("1.7 KiB", ".pane .events")
    await page.click(".pane .events .file", "list <img src=.txt · 1.7 KiB")
    await page.until("saved.length === 2")
    assert await page.js("saved[1]") == f"list {NASTY[:9]}.txt"
    assert await page.js("saved[0].size") == 1700
    await page.click(".pane .events .file", "Save document")
    await page.see("file_id", "#toasts")
    await page.resize(1280, 860)
    await page.screenshot(tmp_path / "file-session.png")
    await page.click(".tabs a", "Events")
    await page.see("1.7 KiB", ".events")
    await page.screenshot(tmp_path / "file-events.png")
    await page.resize(390, 844, phone=True)
    await page.screenshot(tmp_path / "file-phone.png")
    assert await page.js("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0


async def test_an_account_is_paired_by_the_code_on_the_page(rookery: Any, page: Any, tmp_path: Path) -> None:
    phone = rookery.whatsapp.phone("4915100000001", "Alice")
    await page.click("button", "Add the first one")
    await page.click("dialog button", "WhatsApp account")
    await page.fill("Name", "The office phone")
    await page.click("dialog button", "Add and show the code")
    await page.until(
        "document.querySelector('.qr')?.checkVisibility() && document.querySelector('.qr').naturalWidth > 0"
    )
    [code] = await qr_codes(page, tmp_path)
    with trio.fail_after(PATIENCE):
        device = await phone.scan(code)
    await page.see("Connected", ".pane header .pill")
    await page.see("+4915100000001", ".pane .lead")
    assert await page.js("document.querySelector('.qr')") is None
    with trio.fail_after(PATIENCE):
        await device.wait_active()
    rookery.whatsapp.phone("4915100000002", "Bob").send_text(phone, "hello from a phone")
    await page.see("hello from a phone", ".pane .events")
    await page.screenshot(tmp_path / "paired.png")
    await page.click(".pane button", "Log out")
    await page.click("dialog button.danger", "Log out")
    await page.until("document.querySelector('.pane header .pill').innerText.match(/Stopped|Down/)")


async def test_the_code_rotates_and_a_code_can_be_typed_instead(rookery: Any, page: Any) -> None:
    phone = rookery.whatsapp.phone("4915100000001", "Alice")
    await rookery.engine.create_session(id="office", platform="whatsapp")
    await page.click(".list a", "office")
    await page.until("document.querySelector('.qr')?.naturalWidth > 0")
    await page.fill("Phone number", "12")
    await page.click(".pairing button", "Get a code")
    await page.until("document.querySelector('.pairing .error').textContent.endsWith('.')")
    await page.fill("Phone number", "+49 151 0000 0001")
    await page.click(".pairing button", "Get a code")
    code = await page.until("document.querySelector('.code strong')?.textContent")
    with trio.fail_after(PATIENCE):
        await phone.enter_code(code)
    await page.see("Connected", ".pane header .pill")


async def test_the_page_follows_a_code_that_changes(
    rookery: Any, page: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What a scanner sees is always the code that is right now, and nothing when there is none."""
    shown: Any = None

    async def pairing(id: str) -> Any:
        return shown

    await rookery.engine.create_session(id="office", platform="whatsapp")
    await page.click(".list a", "office")
    await page.until("document.querySelector('.qr')?.naturalWidth > 0")
    monkeypatch.setattr(rookery.engine, "pairing", pairing)
    for code in ("the first code", None, "the second code", "the third code"):
        shown = code and Code("qr", code, 4_000_000_000.0)
        await until_found(partial(qr_codes, page, tmp_path), partial(eq, [code] if code else []), seconds=PATIENCE)


async def test_a_dead_letter_is_replayed(rookery: Any, page: Any, tmp_path: Path) -> None:
    bot = await add_bot(rookery, "shop", "The shop")
    async with open_webhook_receiver() as receiver:
        receiver.status = lambda delivery: 500
        await page.click(".tabs a", "Webhooks")
        await page.click("button", "Add the first webhook")
        await page.fill("Address", receiver.url)
        await page.click("dialog button.primary", "Add")
        await page.see("Keep this secret", "dialog")
        assert str(await page.js("document.querySelector('.new-key').textContent")).startswith("whsec_")
        await page.screenshot(tmp_path / "secret.png")
        await page.click("dialog button", "I have saved it")
        bot.push_text("please deliver me", chat_id=ADA)
        await page.see("1", "#dead-count")
        await page.click("article button", "Dead letters")
        await page.see("please deliver me", ".letters")
        await page.see("500", ".letters")
        await page.screenshot(tmp_path / "dead.png")
        receiver.status = lambda delivery: 204
        before = len(receiver.deliveries)
        await page.click(".letters button", "Replay event")
        with trio.fail_after(PATIENCE):
            await receiver.wait_until(lambda: len(receiver.deliveries) > before)
        await page.see("No dead letters", ".letters")
        await page.see("204", "article .numbers")
        await page.until("!document.querySelector('#dead-count').checkVisibility()")
        await page.click("article button", "Delete")
        await page.click("dialog button", "Delete")
        await page.see("No webhooks yet")


async def test_stopped_started_and_deleted_with_the_keyboard_alone(rookery: Any, page: Any) -> None:
    await add_bot(rookery, "shop", "The shop")
    await add_bot(rookery, "support", "Support")
    await page.see("Support", ".list")
    await page.tab_to("The shop")
    await page.press("ArrowDown")
    assert (await page.focused()).startswith("Support")
    await page.press("Enter")
    await page.see("Support", ".pane h2")
    await page.tab_to("Stop")
    await page.press("Enter")
    await page.see("Stop Support?", "dialog")
    await page.press("Escape")
    assert (await rookery.engine.get_session("support")).enabled
    await page.until("!document.querySelector('dialog')")
    assert await page.focused() == "Stop", "a question that was left gives the focus back"
    await page.press("Enter")
    await page.see("Stop Support?", "dialog")
    assert await page.focused() == "Stop"
    await page.press("Enter")
    await page.see("Stopped", ".pane header .pill")
    assert not (await rookery.engine.get_session("support")).enabled
    await page.tab_to("Start")
    await page.press("Enter")
    await page.see("Connected", ".pane header .pill")
    await page.press("Escape")
    await page.see("Choose a session")
    await page.press("/")
    await page.call("Input.insertText", text="shop")
    await page.not_see("Support", ".list")
    await page.tab_to("The shop")
    await page.press("Enter")
    await page.tab_to("Delete")
    await page.press("Enter")
    await page.press("Enter")
    await page.not_see("The shop", ".list")
    assert [one.id for one in await rookery.engine.list_sessions()] == ["support"]


async def test_a_refused_token_is_replaced_on_the_page(rookery: Any, page: Any, tmp_path: Path) -> None:
    bot = await add_bot(rookery, "shop", "The shop")
    rookery.bots.faults.add(Fault(kind="status", status=401, token=bot.token))
    await rookery.engine.restart("shop")
    await page.click(".list a", "The shop")
    await page.see("The platform refuses the token", ".callout")
    await page.see("Replace the token", ".list")
    await page.screenshot(tmp_path / "token.png")
    fresh = rookery.bots.new_bot()
    await page.fill("New token", fresh.token)
    await page.click(".callout button", "Replace and start")
    await page.see("Connected", ".pane header .pill")


@pytest.mark.parametrize("rookery", ["sesame"], indirect=True)
async def test_it_asks_for_the_key_once(rookery: Any, page: Any) -> None:
    await page.see("Sign in")
    await page.fill("Key", "wrong")
    await page.press("Enter")
    await page.see("This is not the key.", ".sign-in .error")
    await page.fill("Key", "sesame")
    await page.press("Enter")
    await page.see("No sessions yet")
    assert await page.js("sessionStorage.getItem('rookery-key')") == "sesame"
    assert await page.js("localStorage.length") == 0
    assert not any("sesame" in address for address in page.addresses)
    await page.reload()
    await page.see("No sessions yet")
    _, own = await rookery.engine.create_key(scopes=["read"], sessions=["shop"])
    await page.click(".bar button", "Sign out")
    await page.fill("Key", own)
    await page.press("Enter")
    await page.see("No sessions yet")
    await page.click(".tabs a", "System")
    await page.see("this key is for some", "main .error")


async def test_a_server_that_goes_away_is_said_and_forgiven(rookery: Any, page: Any) -> None:
    bot = await add_bot(rookery, "shop", "The shop")
    await page.click(".tabs a", "Events")
    bot.push_text("before", chat_id=ADA)
    await page.see("before", ".events")
    await page.call(
        "Network.emulateNetworkConditions", offline=True, latency=0, downloadThroughput=-1, uploadThroughput=-1
    )
    await page.see("no answer", "#pulse")
    bot.push_text("meanwhile", chat_id=ADA)
    await page.call(
        "Network.emulateNetworkConditions", offline=False, latency=0, downloadThroughput=-1, uploadThroughput=-1
    )
    await page.see("meanwhile", ".events")
    await page.see("1 connected here", "#pulse")
    assert (
        await page.js(
            "[...document.querySelectorAll('.events .what')].filter((one) => one.textContent === 'before').length"
        )
        == 1
    )


async def test_the_looks(rookery: Any, page: Any, tmp_path: Path) -> None:
    """Light, dark, and on a phone: for people to look at, and nothing sticks out at the side."""
    shop = await add_bot(rookery, "shop", "The shop")
    await add_bot(rookery, "support", "Support desk")
    await add_bot(rookery, "night", "Night porter")
    await rookery.engine.create_session(id="office", platform="whatsapp", name="The office phone")
    await rookery.engine.stop("night")
    said = [
        (ADA, "Ada", "Good morning! Is the blue one still there?"),
        (BOB, "Bob", "When do you open today?"),
        (ADA, "Ada", "Perfect, I will come by at five 👋"),
    ]
    for chat, name, text in said:
        person = {"id": chat, "is_bot": False, "first_name": name}
        shop.push_message({"text": text, "from": person}, chat_id=chat)
    await rookery.engine.send("shop", to=ADA, text="It is. Shall I put it aside?")
    with trio.fail_after(PATIENCE):
        await rookery.engine.wait_status("office", "QR_REQUIRED")
    await page.see("2 connected here", "#pulse")
    places = {"session": "#/sessions/shop", "pairing": "#/sessions/office", "list": "#/sessions", "events": "#/events"}
    places |= {"webhooks": "#/webhooks", "system": "#/system"}
    for scheme in ("light", "dark"):
        await page.prefer(scheme)
        for name, place in places.items():
            for kind, width, height in (("desktop", 1280, 860), ("phone", 390, 844)):
                await page.resize(width, height, phone=kind == "phone")
                await page.js(f"location.hash = {place!r}; 1")
                await page.until(
                    {
                        "list": "document.querySelectorAll('.list a').length === 4",
                        "session": "document.querySelectorAll('.pane .events li').length >= 3",
                        "pairing": "document.querySelector('.qr')?.naturalWidth > 0",
                        "events": "document.querySelectorAll('.events li').length >= 3",
                        "system": "document.querySelectorAll('meter').length >= 2",
                    }.get(name, "true")
                )
                await page.screenshot(tmp_path / f"{name}-{kind}-{scheme}.png")
                wide = await page.js("document.documentElement.scrollWidth - document.documentElement.clientWidth")
                assert wide <= 0, f"{name} is {wide} pixels too wide on a {kind}"
    await page.click("#theme")
    assert await page.js("document.documentElement.dataset.theme") == "dark"
    await page.reload()
    await page.until("document.documentElement?.dataset.theme === 'dark'")
