"""The dashboard on a slow server, and with a key of limited scope."""

from __future__ import annotations

from typing import Any

import pytest

from support.clients.chromium import Page

VIEWS = (
    "overview",
    "sessions",
    "chats",
    "events",
    "webhooks",
    "system",
    "system/keys",
    "system/audit",
    "system/settings",
)


async def test_slow_answers_show_skeletons_first(rookery: Any, page: Page) -> None:
    """Each view says at once that something comes, and nothing of it stays once it is there."""
    await page.see("No sessions yet")
    for view in VIEWS:
        await page.js("location.hash = '#/help-me'; 1")  # the overview, whatever was before
        await slow(page, 30_000)  # until it is quick again, so that a slow machine sees it too
        await page.js(f"location.hash = '#/{view}'; 1")
        await page.until("document.querySelector('main .skeleton span')?.checkVisibility() ?? false")
        await slow(page, 0)
        await page.until("document.querySelector('main .skeleton') === null")


async def slow(page: Page, milliseconds: float) -> None:
    await page.call(
        "Network.emulateNetworkConditions",
        offline=False,
        latency=milliseconds,
        downloadThroughput=-1,
        uploadThroughput=-1,
    )


@pytest.mark.parametrize("rookery", ["sesame"], indirect=True)
async def test_a_key_with_few_scopes_is_shown_what_it_may_not_see(rookery: Any, page: Page) -> None:
    for id in ("shop", "other"):
        await rookery.engine.create_session(
            id=id, platform="telegram", credentials={"token": rookery.bots.new_bot().token}, enabled=False
        )
    _, own = await rookery.engine.create_key(scopes=["read"], sessions=["shop"])
    await page.fill("Key", own)
    await page.press("Enter")
    await page.see("shop", ".list")
    await page.not_see("other", ".list")
    parts = ("keys", "audit", "settings", "logs", "doctor", "tasks")
    for view in ("overview", "system", *(f"system/{part}" for part in parts)):
        await page.js(f"location.hash = '#/{view}'; 1")
        await page.see("This key may not see this.", "main .trouble")
        await page.until("document.querySelector('main .skeleton') === null")
    await page.js("location.hash = '#/sessions/shop'; 1")
    await page.click(".actions button", "Start")
    await page.see("scope", "#toasts .toast[data-tone=bad]")
    assert not (await rookery.engine.get_session("shop")).enabled
    await page.js("location.hash = '#/sessions/other'; 1")
    await page.see("There is no such session", ".pane")
