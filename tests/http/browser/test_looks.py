"""Every view, wide and narrow, light and dark, empty and full: nothing overflows, and axe finds no violation."""

from __future__ import annotations

import os
import sqlite3
from importlib import resources
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from support.clients.chromium import Page
from support.clients.layout import LOOK, faults
from support.webhook_receiver import open_webhook_receiver

PATIENCE = 40.0
AXE = 200.0  # seconds that it may take for 500 rows
ADA, BOB = 5501, 5502
PARTS = ("instance", "doctor", "logs", "keys", "audit", "files", "settings", "tasks")
VIEWS = {"overview": "#/overview", "list": "#/sessions", "events": "#/events", "webhooks": "#/webhooks"}
VIEWS |= {f"system-{part}": f"#/system/{part}" for part in PARTS}
FULL = VIEWS | {"session": "#/sessions/shop", "pairing": "#/sessions/office", "chat": f"#/chats/shop?chat={ADA}"}
FULL |= {"unknown": "#/sessions/nobody"}
SIZES = (("desktop", 1280, 860), ("phone", 390, 844))
LONG = os.environ.get("ROOKERY_TEST_LONG") == "1"
SETTLED = """
new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))).then(() => Promise.all(
  document.getAnimations().filter((one) => one.effect.getTiming().iterations < 9).map((one) => one.finished.catch(() => 0)),
)).then(() => true)
"""
"""Resolves once the page stands still: changes of colour take a moment."""


@pytest.fixture(scope="module")
def axe() -> str:
    """axe-core, which is put into the page past its policy: npm's when it is installed, else the older one from PyPI."""
    newest = Path(__file__).parent / "node_modules/axe-core/axe.min.js"
    if newest.exists():
        return newest.read_text()
    return resources.files("axe_core_python").joinpath("axe.min.js").read_text()


async def look(page: Page, axe: str, name: str, directory: Path, schemes: tuple[str, ...]) -> list[str]:
    """Take pictures of the view that is shown; returns what does not fit, and what `axe` finds unless it is empty."""
    wrong: list[str] = []
    for kind, width, height in SIZES:
        await page.resize(width, height, phone=kind == "phone")
        for scheme in schemes:
            await page.prefer(scheme)
            await page.until("!document.querySelector('main .skeleton')")
            await page.js(SETTLED)
            await page.screenshot(directory / f"{name}-{kind}-{scheme}.png")
            wrong += [f"{name}, {kind}: {fault}" for fault in await faults(page)]
            if not axe:
                continue
            await page.js(f"window.axe ? 1 : (() => {{ {axe}\n; return 1; }})()")
            found = await page.js(
                "axe.run(document, { resultTypes: ['violations'] }).then((all) => all.violations.map((one) => "
                "`${one.id}: ${one.nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(' | ')}`))",
                deadline=AXE,
            )
            wrong += [f"{name}, {kind}, {scheme}: {one}" for one in found]
    return wrong


async def shown(page: Page, address: str) -> None:
    """Go to a view, and wait until its answers are there."""
    await page.js(f"location.hash = {address!r}; 1")
    view = address.partition("?")[0].split("/")[1]
    await page.until(f"document.querySelector('main.view-{view}')?.children.length > 0")
    await page.until("!document.querySelector('main .skeleton')")
    await page.js(SETTLED)


async def test_views_without_anything(rookery: Any, page: Page, axe: str, tmp_path: Path) -> None:
    wrong: list[str] = []
    for name, address in VIEWS.items():
        await shown(page, address)
        wrong += await look(page, axe, f"empty-{name}", tmp_path, ("light", "dark") if LONG else ("light",))
    await page.js("location.hash = '#/sessions'; 1")
    await page.click("button", "Add the first one")
    wrong += await look(page, axe, "dialog-add", tmp_path, ("light", "dark"))
    await page.press("Escape")
    assert wrong == []


async def test_views_in_ordinary_life(rookery: Any, page: Page, axe: str, tmp_path: Path) -> None:
    wrong: list[str] = []
    async with open_webhook_receiver() as receiver:
        receiver.status = lambda delivery: 500 if len(receiver.deliveries) % 3 == 0 else 200
        await rookery.engine.create_webhook(url=receiver.url)
        await furnish(rookery)
        for name, address in FULL.items():
            await shown(page, address)
            if name == "webhooks":
                await page.click("article button", "Attempts")
                await page.see("attempts: median", ".letters")
            wrong += await look(page, axe, name, tmp_path, ("light", "dark"))
        await page.resize(1280, 860)
        await shown(page, "#/webhooks")
        await page.click("article button", "Edit")
        await page.until("document.querySelector('.type-group') !== null")
        wrong += await look(page, axe, "dialog-webhook", tmp_path, ("light", "dark"))
        await page.press("Escape")
        await shown(page, "#/sessions")
        await page.click(".segments button", "Table")
        await page.until("document.querySelector('.line .name') !== null")
        wrong += await look(page, axe, "table", tmp_path, ("light", "dark"))
    assert wrong == []


@pytest.mark.parametrize("rookery", ["sesame"], indirect=True)
async def test_views_while_something_is_done(rookery: Any, page: Page, axe: str, tmp_path: Path) -> None:
    """What opens inside a view: a form, a search, a selection, a row with its details; and lists that are empty at first."""
    both = ("light", "dark")
    wrong = await look(page, axe, "sign-in", tmp_path, both)
    await page.fill("Key", "sesame")
    await page.press("Enter")
    await page.see("No sessions yet")
    await furnish(rookery)
    async with httpx.AsyncClient(base_url=rookery.url, headers={"Authorization": "Bearer sesame"}) as client:
        name = {"filename": "what I would like to have, and what I would rather not, in alphabetical order.txt"}
        await client.post("/v1/media", params=name, content=b"a perch\n" * 300, headers={"Content-Type": "text/plain"})
        for call in ("night/start", "night/stop", "nobody/stop"):
            await client.post(f"/v1/sessions/{call}")
        text = {"to": str(ADA), "type": "text", "text": "at five"}
        await client.post("/v1/sessions/shop/messages", json=text, params={"wait": 5})

    await shown(page, f"#/chats/shop?chat={ADA}")
    await page.click(".talk header button", "Search in this chat")
    await page.call("Input.insertText", text="five")
    await page.see("2 found", ".chat-search")
    wrong += await look(page, axe, "chat-search", tmp_path, both)
    await page.resize(1280, 860)
    await page.click(".hits button", "at five")
    await page.hover(".bubble.out")
    wrong += await look(page, axe, "chat-found", tmp_path, both)
    for part, there in {"audit": "stop_session", "files": "alphabetical"}.items():
        await shown(page, f"#/system/{part}")
        await page.until(f"document.querySelector('main').textContent.includes({there!r})")
        wrong += await look(page, axe, f"full-{part}", tmp_path, both)

    await page.resize(1280, 860)
    await shown(page, "#/sessions")
    await page.click("button", "Select")
    await page.click(".bulk button", "Select all shown")
    await page.see("Select none", ".bulk")
    wrong += await look(page, axe, "selected", tmp_path, both)
    numbers = "document.querySelectorAll('.chip .number').forEach((one) => { one.textContent = '5000'; })"
    wrong += await page.js(f"{numbers}; {LOOK}")
    await page.resize(1280, 860)
    await shown(page, "#/sessions/office")
    await page.click(".actions button", "Settings")
    await page.see("ask whether it exists", "dialog")
    wrong += await look(page, axe, "dialog-settings", tmp_path, both)
    await page.press("Escape")
    await page.resize(1280, 860)
    await shown(page, "#/events?type=message")
    await page.click(".events summary", "Perfect")
    await page.see("Perfect", ".events pre")
    wrong += await look(page, axe, "event", tmp_path, both)
    await page.resize(1280, 860)
    await shown(page, "#/webhooks")
    await page.click("button", "Add the first sink")
    await page.click("dialog .choice", "Only these")
    await page.until("document.querySelector('dialog .type-group') !== null")
    wrong += await look(page, axe, "dialog-sink", tmp_path, both)
    assert wrong == []


LONG_NAME = "The customer hot line of the Donaudampfschifffahrtsgesellschaft in Regensburg, evenings and weekends"
COLUMNS = (
    "platform, name, enabled, status, reason, detail, since, action, last_error, next_retry_at, credentials, settings, "
    "metadata, cursor, commands, restarts, heeded, fence, owner, created_at, updated_at"
)


async def test_views_with_500_sessions(rookery: Any, page: Page, axe: str, tmp_path: Path) -> None:
    """Long names, long ids, long reasons: nothing overlaps, is cut without a title, or makes the page scroll sideways.

    axe takes minutes for so many rows; it looks at the same kinds of rows in the other tests, and at these with
    ROOKERY_TEST_LONG=1.
    """
    for id, enabled in (("s-000", True), ("s-001", False)):
        token = rookery.bots.new_bot().token
        await rookery.engine.create_session(
            id=id, platform="telegram", name=f"Bot {id}", credentials={"token": token}, enabled=enabled
        )
    with sqlite3.connect(tmp_path / "rookery.db", timeout=20) as database:  # 498 calls would take half a minute
        copy = f"INSERT INTO sessions (id, {COLUMNS}) SELECT ?, {COLUMNS} FROM sessions WHERE id = 's-001'"
        others = [f"s-{one:03}" if one % 100 else f"a-long-id-{one}-{'0123456789' * 8}" for one in range(2, 500)]
        database.executemany(copy, [(id,) for id in others])
        name = "UPDATE sessions SET name = CASE WHEN uid % 50 = 0 THEN ? ELSE 'Bot ' || uid END, since = since - 3600 * uid"
        database.execute(name, (LONG_NAME,))
        database.execute(
            "UPDATE sessions SET enabled = 1, status = 'AUTH_FAILURE', reason = 'TOKEN_INVALID', action = 'replace_token', "
            "detail = 'the platform refuses the token: 401 Unauthorized, since somebody has revoked it', owner = 'another' "
            "WHERE uid % 16 = 5"
        )
    wrong: list[str] = []
    addresses = {"500": "#/overview", "500-list": "#/sessions", "500-by-state": "#/sessions?by=state"}
    addresses |= {"500-one": "#/sessions/s-001", "500-chats": "#/chats", "500-events": "#/events"}
    checks = axe if LONG else ""
    if LONG:
        addresses |= {"500-webhooks": "#/webhooks"} | {f"500-{part}": f"#/system/{part}" for part in PARTS}
    for name, address in addresses.items():
        await shown(page, address)
        if name == "500-list":
            await page.until("document.querySelectorAll('.list a[data-id]').length === 500")
        wrong += await look(page, checks, name, tmp_path, ("light",))
    await page.resize(1280, 860)
    await shown(page, "#/sessions")
    await page.click(".segments button", "Table")
    await page.click("button", "Select")
    await page.until("document.querySelectorAll('.line .name').length === 500")
    wrong += await look(page, checks, "500-table", tmp_path, ("light",))
    assert wrong == []


async def furnish(rookery: Any) -> None:
    """Four sessions of both platforms, each in another state, and a conversation."""
    bots = {}
    for id, name in {"shop": "The shop", "support": "Support desk", "night": "Night porter"}.items():
        bots[id] = rookery.bots.new_bot()
        await rookery.engine.create_session(
            id=id, platform="telegram", name=name, credentials={"token": bots[id].token}
        )
        with trio.fail_after(PATIENCE):
            await rookery.engine.wait_status(id, "CONNECTED")
    await rookery.engine.create_session(id="office", platform="whatsapp", name="The office phone")
    await rookery.engine.stop("night")
    await rookery.engine.create_key(scopes=["read"], name="The shop's backend")
    for chat, name, text in [
        (ADA, "Ada", "Good morning! Is the blue one still there?"),
        (BOB, "Bob", "When do you open today?"),
        (ADA, "Ada", "Perfect, I will come by at five"),
    ]:
        bots["shop"].push_message(
            {"text": text, "from": {"id": chat, "is_bot": False, "first_name": name}}, chat_id=chat
        )
    await rookery.engine.send("shop", to=ADA, text="It is. Shall I put it aside?")
    with trio.fail_after(PATIENCE):
        await rookery.engine.wait_status("office", "QR_REQUIRED")
