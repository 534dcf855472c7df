"""A conversation on the page, as a person would have it."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import pytest
import trio
from PIL import Image

from support.clients.chromium import Page
from support.waiting import until_found

ADA, BOB = 5501, 5502
PATIENCE = 40.0
LONG = os.environ.get("ROOKERY_TEST_LONG") == "1"


GATE = """
    window.gates = [];
    const real = window.fetch;
    window.fetch = async (...given) => {
      const answer = await real(...given);
      if (!String(given[0]?.url ?? given[0]).includes("q=")) return answer;
      const text = await answer.text();
      await new Promise((open) => window.gates.push(open));
      return new Response(text, { status: answer.status, headers: answer.headers });
    };
    window.settled = async () => { for (let n = 0; n < 3; n += 1) await (await real("/v1/sessions")).text(); };
    null
"""
"""Answers to searches come when their gate is opened; `settled` waits for some other answers of the server."""


async def add_bot(rookery: Any, id: str = "shop") -> Any:
    bot = rookery.bots.new_bot()
    await rookery.engine.create_session(id=id, platform="telegram", name="The shop", credentials={"token": bot.token})
    with trio.fail_after(PATIENCE):
        await rookery.engine.wait_status(id, "CONNECTED")
    return bot


async def newest_is(rookery: Any, text: str) -> None:
    """Until chat 1 is stored up to this message: a page that is opened before loads the rest as it comes."""
    await until_found(
        lambda: rookery.engine.chat_messages("shop", "1", limit=1),
        lambda messages: [message.text for message in messages] == [text],
        seconds=PATIENCE,
        step=0.05,
    )


async def test_a_chat_is_read_and_answered(rookery: Any, page: Page, tmp_path: Path) -> None:
    bot = await add_bot(rookery)
    bot.push_text("Is the blue one still there?", chat_id=ADA)
    bot.push_text("Something else", chat_id=BOB)
    await page.go(f"{rookery.url}/#/chats")
    await page.see("Is the blue one still there?", ".list")
    await page.click(".list a", "Is the blue one still there?")
    await page.see("Is the blue one still there?", ".bubbles")
    await page.not_see("Something else", ".bubbles")
    await page.click(".bubble.in .tools button", "Reply", over=".bubble.in")
    await page.see("Reply to: Is the blue one", ".write .note")
    await page.call("Input.insertText", text="It is. Shall I put it aside?")
    await page.press("Enter")
    await page.see("It is. Shall I put it aside?", ".bubble.out")
    await page.until("document.querySelector('.bubble.out .ticks').textContent === '✓'")
    with trio.fail_after(PATIENCE):
        await rookery.bots.wait_until(lambda: bool(bot.sent))
    assert (bot.sent[0].chat_id, bot.sent[0].text) == (ADA, "It is. Shall I put it aside?")
    bot.push_text("Yes please, until Monday", chat_id=ADA)
    await page.see("Yes please, until Monday", ".bubbles")
    order = await page.js("[...document.querySelectorAll('.bubble .said')].map((one) => one.textContent)")
    assert order == ["Yes please, until Monday", "It is. Shall I put it aside?", "Is the blue one still there?"]
    await page.screenshot(tmp_path / "chat.png")
    await page.click(".bubble.in .tools button", "React with 👍", over=".bubble.in")
    await page.see("👍", ".bubble.in .reactions")
    for width, height, phone in ((390, 844, True), (1280, 860, False)):
        await page.resize(width, height, phone=phone)
        await page.screenshot(tmp_path / f"chat-{width}.png")
        assert await page.js("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


async def test_what_was_begun_in_a_chat_is_there_again(rookery: Any, page: Page) -> None:
    """Also what was typed while the message before was on its way; Escape leaves an answer out before it closes the chat."""
    await rookery.engine.create_session(
        id="another", platform="telegram", name="A shop", credentials={"token": rookery.bots.new_bot().token}
    )
    bot = await add_bot(rookery)
    for chat in (ADA, BOB):
        bot.push_text(f"I am {chat}", chat_id=chat)
    await page.go(f"{rookery.url}/#/chats")
    await page.click(".list a", f"I am {ADA}")  # of the session that had a message last, not of the first one
    await page.see(f"I am {ADA}", ".bubbles")
    await page.click("textarea")
    await page.call("Input.insertText", text="half a sen")
    await page.click(".list a", f"I am {BOB}")
    await page.see(f"I am {BOB}", ".bubbles")
    value = "document.querySelector('textarea').value"
    assert await page.js(value) == ""
    await page.click(".list a", f"I am {ADA}")
    await page.see(f"I am {ADA}", ".bubbles")
    assert await page.js(value) == "half a sen"

    await page.click(".bubble.in .tools button", "Reply", over=".bubble.in")
    await page.see("Reply to: I am", ".write .note")
    await page.press("Escape")
    await page.until("document.querySelector('.write .note').hidden")
    assert "chat=" in await page.js("location.hash")
    await page.press("Escape")
    await page.see("Choose a chat")
    await page.click(".list a", f"I am {ADA}")
    await page.see(f"I am {ADA}", ".bubbles")
    assert await page.js(value) == "half a sen"

    await page.js(GATE.replace("q=", "wait="))
    await page.click("textarea")
    await page.press("Enter")
    await page.until("gates.length === 1")
    await page.js("document.querySelector('textarea').setSelectionRange(99, 99)")
    await page.call("Input.insertText", text="the next one")
    await page.js("gates[0]()")
    await page.see("half a sen", ".bubble.out")
    await page.until(f"{value} === 'the next one'")


@pytest.mark.parametrize("rookery", ["sesame"], indirect=True)
async def test_what_was_begun_with_one_key_is_not_shown_to_another(rookery: Any, page: Page) -> None:
    """The page stays when its key is revoked; who signs in next may be somebody else."""
    bot = await add_bot(rookery)
    bot.push_text("hello", chat_id=ADA)
    key, own = await rookery.engine.create_key(scopes=["read", "send"])
    await page.fill("Key", own)
    await page.press("Enter")
    await page.see("The shop", ".list")
    await page.js(f"location.hash = '#/chats/shop?chat={ADA}'; 1")
    await page.see("hello", ".bubbles")
    await page.click("textarea")
    await page.call("Input.insertText", text="between you and me")
    await rookery.engine.revoke_key(key.id)
    await page.see("Sign in", "h1")
    await page.fill("Key", "sesame")
    await page.press("Enter")
    await page.see("hello", ".bubbles")
    assert await page.js("document.querySelector('textarea').value") == ""


async def test_chats_are_searched(rookery: Any, page: Page) -> None:
    bot = await add_bot(rookery)
    for chat in (ADA, BOB):
        bot.push_text(f"I am {chat}", chat_id=chat)
    await page.go(f"{rookery.url}/#/chats/shop")
    await page.see(f"I am {ADA}", ".list")
    await page.see(f"I am {BOB}", ".list")
    await page.js("document.querySelector('input[type=search]').focus()")
    await page.call("Input.insertText", text=str(BOB))
    await page.not_see(f"I am {ADA}", ".list")
    await page.see(f"I am {BOB}", ".list")


async def test_a_search_of_chats_goes_on_until_all_were_looked_at(
    rookery: Any, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "rookery.features.chats.CHATS_SEARCHED", 1
    )  # so that most answers are empty and have a next one
    monkeypatch.setattr("rookery.features.chats.MOST", 4)  # and the whole list takes two answers
    bot = await add_bot(rookery)
    chats = [ADA, *range(7001, 7005), BOB]
    for chat in chats:
        bot.push_text(f"I am {chat}", chat_id=chat)
    await page.go(f"{rookery.url}/#/chats/shop")
    for chat in chats:
        await page.see(f"I am {chat}", ".list")
    await page.js("document.querySelector('input[type=search]').focus()")
    await page.call("Input.insertText", text=str(ADA))
    await page.not_see(f"I am {BOB}", ".list")
    assert await page.js("document.querySelectorAll('.list li').length") == 1
    await page.see(f"I am {ADA}", ".list")
    await page.js("document.activeElement.select()")
    await page.call("Input.insertText", text="5")  # found in the first chat and in the last
    await page.see(f"I am {BOB}", ".list")
    await page.see(f"I am {ADA}", ".list")
    await page.js("document.activeElement.select()")
    await page.call("Input.insertText", text="nothing like it")
    await page.see("No chat matches the search.")


async def test_an_answer_to_an_earlier_search_of_chats_lists_nothing(rookery: Any, page: Page) -> None:
    bot = await add_bot(rookery)
    for chat in (ADA, BOB):
        bot.push_text(f"I am {chat}", chat_id=chat)
    await page.go(f"{rookery.url}/#/chats/shop")
    await page.see(f"I am {ADA}", ".list")
    await page.see(f"I am {BOB}", ".list")
    await page.js(GATE)
    await page.js("document.querySelector('input[type=search]').focus()")
    await page.call("Input.insertText", text=str(ADA))
    await page.until("gates.length > 0")
    asked = await page.js("gates.length")
    await page.js("document.activeElement.select()")
    await page.call("Input.insertText", text=str(BOB))
    await page.until(f"gates.length > {asked}")
    await page.js("gates.reverse().forEach((open) => open())")  # what was asked first is answered last
    await page.js("settled()")
    shown = await page.js("document.querySelector('.list').innerText")
    assert (f"I am {BOB}" in shown, f"I am {ADA}" in shown) == (True, False)


async def test_a_conversation_shows_all_that_happens_in_it(rookery: Any, page: Page, tmp_path: Path) -> None:
    """Typing, answers, edits, pictures, sounds, reactions, deletions; and what is done to an own message."""
    alice, bob = rookery.whatsapp.phone("4915100000001", "Alice"), rookery.whatsapp.phone("4915100000002", "Bob")
    await rookery.engine.create_session(id="phone", platform="whatsapp", name="Alice's phone")
    with trio.fail_after(PATIENCE):
        await rookery.engine.wait_status("phone", "QR_REQUIRED")
        device = await alice.scan((await rookery.engine.pairing("phone")).code)
        await rookery.engine.wait_status("phone", "CONNECTED")
        await device.wait_active()
    first = bob.send_text(alice, "Are you open tody?")
    await page.go(f"{rookery.url}/#/chats/phone")
    await page.click(".list a", "Are you open tody?")
    await page.see("Are you open tody?", ".bubbles")
    bob.type_to(alice)
    await page.see("Bob is typing", ".talk header")
    bob.edit(first, "Are you open today?")
    await page.see("Are you open today?", ".bubble.in")
    await page.see("edited", ".bubble.in .foot")
    await page.see("4915100000002", ".talk header")  # what comes ends the typing
    bob.send_media(alice, picture(), mimetype="image/png", caption="This door?")
    await page.until("document.querySelector('.bubble img')?.naturalWidth === 48")
    bob.send_media(alice, b"OggS nothing to hear", kind="audio", mimetype="audio/ogg")
    await page.until("[...document.querySelectorAll('.bubble .file')].some((one) => one.textContent.startsWith('▶'))")
    gone = bob.send_text(alice, "wrong chat")
    await page.see("wrong chat", ".bubbles")
    bob.revoke(gone)
    await page.see("This message was deleted.", ".bubbles")
    await page.not_see("wrong chat", ".bubbles")

    await page.click("textarea")
    await page.call("Input.insertText", text="Until sicks.")
    await page.press("Enter")
    with trio.fail_after(PATIENCE):
        received = await bob.next_message()
    bob.react(received, "❤️")
    await page.see("❤️", ".bubble.out .reactions")
    bob.reply(received, "Thanks!")
    await page.see("You: Until sicks.", ".bubble.in .quoted:not([hidden])")
    await page.click(".bubble.out .tools button", "Edit", over=".bubble.out")
    await page.js("document.querySelector('textarea').select()")
    await page.call("Input.insertText", text="Until six.")
    await page.press("Enter")
    await page.see("Until six.", ".bubble.out .said")
    await page.screenshot(tmp_path / "conversation.png")
    await page.click(".bubble.out .tools button", "Delete", over=".bubble.out")
    await page.click("dialog button", "Delete")
    await page.see("This message was deleted.", ".bubble.out")


def picture() -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (48, 32), "#2b7fb8").save(data, "PNG")
    return data.getvalue()


async def test_chats_are_walked_through_with_the_keyboard(rookery: Any, page: Page) -> None:
    bot = await add_bot(rookery)
    bot.push_text("from Ada", chat_id=ADA)
    bot.push_text("from Bob", chat_id=BOB)
    await page.go(f"{rookery.url}/#/chats/shop")
    await page.see("from Ada", ".list")
    await page.see("from Bob", ".list")
    first, second = await page.js("[...document.querySelectorAll('.list a')].map((one) => one.dataset.chat)")
    await page.press("/")
    await page.press("ArrowDown")
    assert await page.js("document.activeElement.dataset.chat") == first
    await page.press("ArrowDown")
    assert await page.js("document.activeElement.dataset.chat") == second
    await page.press("Enter")
    await page.until(f"document.querySelector('.list a[aria-current]')?.dataset.chat === '{second}'")
    await page.see("from", ".bubbles")
    await page.until("document.querySelector('.list a[aria-current] .unread').hidden")
    await page.press("Escape")
    await page.see("Choose a chat")


async def test_a_long_chat_is_windowed_and_nothing_jumps(rookery: Any, page: Page) -> None:
    """Far up in a long chat only what is near the eye exists, and a new message moves nothing."""
    bot = await add_bot(rookery)
    total = 10_000 if LONG else 700
    bot.push_many(total, chats=1)
    await page.go(f"{rookery.url}/#/chats/shop?chat=1")
    await until_found(
        lambda: page.js("document.querySelector('.bubble .said')?.textContent"),
        lambda value: value == str(total),
        seconds=600 if LONG else PATIENCE,
        step=0.2,
    )
    up = "document.querySelector('.talk .scroll').scrollTop = -1e9"
    first = "[...document.querySelectorAll('.bubble .said')].some((one) => one.textContent === '1')"
    reached = f"(() => {{ {up}; return {first}; }})()"
    with trio.fail_after(600 if LONG else PATIENCE):
        while not await page.js(reached):
            assert await page.js("document.querySelectorAll('.bubble').length") <= 120
            await trio.sleep(0.05)
    await page.see("↓ Newest", ".to-newest")
    where = "[...document.querySelectorAll('.said')].find((one) => one.textContent === '3').getBoundingClientRect().top"
    await page.js("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    before = await page.js(where)
    bot.push_text("a new one", chat_id=1)
    await page.see("↓ 1 new", ".to-newest")
    assert abs(await page.js(where) - before) < 2
    await page.click(".to-newest")
    await page.see("a new one", ".bubbles")
    said = await page.js("[...document.querySelectorAll('.bubble .said')].map((one) => one.textContent)")
    assert said == ["a new one", *(str(total - back) for back in range(len(said) - 1))], "in order, whatever the second"
    assert await page.js("document.querySelectorAll('.bubble').length") <= 120
    # A little above the end, where the new message becomes an element at once.
    await page.js("document.querySelector('.talk .scroll').scrollTop = -400; 1")
    await page.see("↓ Newest", ".to-newest")
    where = where.replace("'3'", f"'{total - 8}'")
    before = await page.js(where)
    bot.push_text("another one", chat_id=1)
    await page.see("↓ 1 new", ".to-newest")
    assert abs(await page.js(where) - before) < 2


async def test_older_messages_are_loaded(rookery: Any, page: Page) -> None:
    bot = await add_bot(rookery)
    bot.push_many(130, chats=1)
    await newest_is(rookery, "130")
    await page.go(f"{rookery.url}/#/chats/shop?chat=1")
    await page.see("130", ".bubbles")
    assert await page.js("document.querySelectorAll('.bubble').length") == 50
    # Pressed where it stands: a click that scrolls there first already loads what is older, and the button goes.
    assert await page.js("document.querySelector('.talk .scroll').scrollTop") == 0
    await page.js("document.querySelector('.scroll > .plain').click()")
    await page.until("document.querySelectorAll('.bubble').length > 50")
    bot.push_text("a new one", chat_id=1)
    await page.see("a new one", ".bubbles")


async def test_a_message_far_back_is_found_and_shown(rookery: Any, page: Page) -> None:
    bot = await add_bot(rookery)
    bot.push_text("The parcel stands behind the <b>door</b>", chat_id=1)
    bot.push_many(300, chats=1)
    await newest_is(rookery, "300")
    await page.go(f"{rookery.url}/#/chats/shop?chat=1")
    await page.see("300", ".bubbles")
    assert "behind the" not in await page.js("document.querySelector('.bubbles').innerText")
    await page.click(".talk header button", "Search in this chat")
    assert await page.js("document.activeElement.ariaLabel") == "Search in this chat"
    await page.call("Input.insertText", text="no such words")
    await page.see("No message has this text.", ".chat-search")
    await page.js("document.activeElement.select()")
    await page.call("Input.insertText", text="BEHIND THE <")
    await page.see("1 found", ".chat-search")
    assert await page.js("document.querySelector('.hits mark').textContent") == "behind the <"
    await page.press("Tab")
    await page.press("Tab")
    assert "parcel" in await page.focused()
    await page.press("Enter")
    await page.see("behind the <b>door</b>", ".bubble.revealed")
    inside = (
        "(() => { const box = document.querySelector('.bubble.revealed').getBoundingClientRect(); "
        "const view = document.querySelector('.talk .scroll').getBoundingClientRect(); "
        "return box.top >= view.top - 1 && box.bottom <= view.bottom + 1; })()"
    )
    assert await page.js(inside)
    assert await page.js("document.querySelectorAll('.bubble').length") <= 120
    await page.press("Escape")
    await page.until("!document.querySelector('.chat-search').checkVisibility()")
    assert "chat=1" in await page.js("location.hash"), "Escape closed the search, not the chat"
    await page.see("behind the", ".bubbles")


async def test_a_search_ends_with_its_field_and_lists_each_hit_once(
    rookery: Any, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rookery.features.chats.SEARCHED", 2)  # so that most answers are empty and have a next one
    monkeypatch.setattr("rookery.features.chats.MOST", 2)
    bot = await add_bot(rookery)
    bot.push_text("parcel", chat_id=1)
    bot.push_many(6, chats=1)
    await newest_is(rookery, "6")
    await page.go(f"{rookery.url}/#/chats/shop?chat=1")
    await page.until("document.querySelectorAll('.bubble').length === 2")
    await page.js(GATE)
    await page.click(".talk header button", "Search in this chat")
    await page.call("Input.insertText", text="parcel")
    await page.press("Enter")
    await page.until("gates.length === 1")
    await page.click(".chat-search button", "Close")
    await page.js("gates[0]()")
    await page.js("settled()")
    assert await page.js("gates.length") == 1, "a closed search asks no more"
    monkeypatch.undo()
    await page.click(".talk header button", "Search in this chat")
    await page.press("Enter")
    await page.press("Enter")
    await page.until("gates.length === 3")
    await page.js("gates.forEach((open) => open())")
    await page.see("1 found", ".chat-search")
    await page.js("settled()")
    assert await page.js("document.querySelectorAll('.hits li').length") == 1


async def test_the_list_shows_what_the_last_message_became(rookery: Any, page: Page) -> None:
    """Also of a chat that is not open."""
    bot = await add_bot(rookery)
    bot.push_text("from Bob", chat_id=BOB)
    await page.go(f"{rookery.url}/#/chats/shop?chat={BOB}")
    sent = await rookery.engine.send("shop", to=str(ADA), text="Until sicks.")
    await page.see("Until sicks.", ".list")
    about = {"to": str(ADA), "message_id": sent.message_id}
    await rookery.engine.send("shop", type="edit", text="Until six.", **about)
    await page.see("Until six.", ".list")
    await rookery.engine.send("shop", type="delete", **about)
    await page.see("You: deleted", ".list")
