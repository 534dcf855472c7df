"""A conversation on the page, as a person would have it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import trio

from support.clients.chromium import Page

ADA, BOB = 5501, 5502
PATIENCE = 40.0


async def add_bot(rookery: Any, id: str = "shop") -> Any:
    bot = rookery.bots.new_bot()
    await rookery.engine.create_session(id=id, platform="telegram", name="The shop", credentials={"token": bot.token})
    with trio.fail_after(PATIENCE):
        await rookery.engine.wait_status(id, "CONNECTED")
    return bot


async def test_a_chat_is_read_and_answered(rookery: Any, page: Page, tmp_path: Path) -> None:
    bot = await add_bot(rookery)
    bot.push_text("Is the blue one still there?", chat_id=ADA)
    bot.push_text("Something else", chat_id=BOB)
    await page.go(f"{rookery.url}/#/chats")
    await page.see("Is the blue one still there?", ".list")
    await page.click(".list a", "Is the blue one still there?")
    await page.see("Is the blue one still there?", ".bubbles")
    await page.not_see("Something else", ".bubbles")
    await page.hover(".bubble.in")
    await page.click(".bubble .tools button", "Answer")
    await page.see("Answer to: Is the blue one", ".write .note")
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
    await page.hover(".bubble.in")
    await page.click(".bubble.in .tools button", "React with 👍")
    await page.see("👍", ".bubble.in .reactions")
    for width, height, phone in ((390, 844, True), (1280, 860, False)):
        await page.resize(width, height, phone=phone)
        await page.screenshot(tmp_path / f"chat-{width}.png")
        assert await page.js("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


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


async def test_older_messages_are_loaded_and_nothing_jumps(rookery: Any, page: Page) -> None:
    bot = await add_bot(rookery)
    bot.push_many(130, chats=1)
    await page.go(f"{rookery.url}/#/chats/shop?chat=1")
    await page.see("130", ".bubbles")
    assert await page.js("document.querySelectorAll('.bubble').length") == 50
    await page.click("button", "Show what is older")
    await page.until("document.querySelectorAll('.bubble').length === 100")
    await page.js("document.querySelector('.talk .scroll').scrollTop = -1500")
    before = await page.js("document.querySelector('.talk .scroll').scrollTop")
    bot.push_text("a new one", chat_id=1)
    await page.see("a new one", ".bubbles")
    assert await page.js("document.querySelectorAll('.bubble').length") == 101
    assert before < 0
