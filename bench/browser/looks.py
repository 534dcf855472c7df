"""Screenshots of every view: `python bench/browser/looks.py --directory /tmp/looks`.

A real server with both simulators, empty, with 3 and with 500 sessions; each view 1280 and 390 pixels wide, light and dark.
Beside the pictures it prints what sticks out, is cut without a title, or overlaps its neighbour. `--sheets` puts the
pictures of a view beside each other.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import trio
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

from support.clients.chromium import Page, open_chromium
from support.clients.layout import faults
from support.engines.furnished import ADA, furnished

SIZES = (("desktop", 1280, 860), ("phone", 390, 844))
PARTS = ("instance", "doctor", "logs", "keys", "audit", "files", "settings", "tasks")
VIEWS = {
    "overview": "#/overview",
    "list": "#/sessions",
    "chats": "#/chats",
    "events": "#/events",
    "webhooks": "#/webhooks",
}
VIEWS |= {f"system-{part}": f"#/system/{part}" for part in PARTS}
INSIDE = {
    "session": "#/sessions/shop",
    "pairing": "#/sessions/office",
    "chat": f"#/chats/shop?chat={ADA}",
    "chat-whatsapp": "#/chats/phone?chat=4915100000002@s.whatsapp.net",
    "unknown": "#/sessions/nobody",
    "need-you": "#/sessions?show=you",
    "by-state": "#/sessions?by=state",
}
DIALOGS = {
    "add": ("#/sessions", "Add a session"),
    "settings": ("#/sessions/shop", "Settings"),
    "webhook": ("#/webhooks", "Add a webhook"),
    "sink": ("#/webhooks", "Add the first sink"),
    "key": ("#/system/keys", "New key"),
    "help": ("#/overview", "?"),
    "full": ("#/sessions/office", "Full screen"),
}


async def settled(page: Page) -> None:
    await page.js("new Promise((done) => setTimeout(() => requestAnimationFrame(done), 450))")
    for _ in range(100):
        if not await page.js("document.querySelector('main .skeleton') !== null"):
            break
        await trio.sleep(0.1)
    await page.js("new Promise((done) => setTimeout(done, 150))")


async def take(page: Page, name: str, directory: Path) -> None:
    for kind, width, height in SIZES:
        await page.resize(width, height, phone=kind == "phone")
        for scheme in ("light", "dark"):
            await page.prefer(scheme)
            await settled(page)
            await page.screenshot(directory / f"{name}-{kind}-{scheme}.png")
        for fault in await faults(page):
            print(f"{name}, {kind}: {fault}")
    await page.resize(1280, 860)


async def visit(page: Page, url: str, sessions: int, directory: Path, only: str) -> None:
    views = VIEWS | (INSIDE if sessions else {})
    for name, address in views.items():
        if only not in name:
            continue
        await page.js(f"localStorage.clear(); location.hash = {address!r}; 1")
        await take(page, f"{sessions}-{name}", directory)
    if sessions and only in "table":
        await page.js("localStorage.setItem('rookery-sessions', 'table'); location.hash = '#/overview'; 1")
        await page.js("location.hash = '#/sessions'; 1")
        await settled(page)
        await page.click("button", "Select")
        await take(page, f"{sessions}-table", directory)
        await page.js("localStorage.clear(); 1")
    if sessions == 3:
        for name, (address, label) in DIALOGS.items():
            if only not in f"dialog-{name}":
                continue
            await page.go(f"{url}/{address}")
            await settled(page)
            if label == "?":
                await page.press("?")
            else:
                await page.click("button", label)
            await take(page, f"dialog-{name}", directory)
            await page.press("Escape")
        if only in "attempts":
            await page.go(f"{url}/#/webhooks")
            await page.click("article button", "Attempts")
            await take(page, "attempts", directory)
            await page.click("article button", "Dead letters")
            await take(page, "letters", directory)


def sheets(directory: Path) -> None:
    """For each view one picture: desktop light, dark, phone light, dark."""
    out = directory / "sheets"
    out.mkdir(exist_ok=True)
    for first in sorted(directory.glob("*-desktop-light.png")):
        stem = first.name.removesuffix("-desktop-light.png")
        names = [f"{stem}-{kind}-{scheme}.png" for kind, *_ in SIZES for scheme in ("light", "dark")]
        pictures = [Image.open(directory / name) for name in names]
        sheet = Image.new("RGB", (sum(one.width for one in pictures) + 30, max(one.height for one in pictures)), "#888")
        x = 0
        for one in pictures:
            sheet.paste(one, (x, 0))
            x += one.width + 10
        sheet.save(out / f"{stem}.png")


async def main(options: argparse.Namespace) -> None:
    options.directory.mkdir(parents=True, exist_ok=True)
    for sessions in options.sessions:
        with tempfile.TemporaryDirectory() as directory:
            async with furnished(Path(directory), sessions) as place, open_chromium(Path(directory)) as browser:
                page = await browser.open_page(f"{place.url}/#/overview")
                await visit(page, place.url, sessions, options.directory, options.only)
                for trouble in page.troubles:
                    print(f"trouble: {trouble}")
    if options.sheets:
        sheets(options.directory)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--sessions", type=int, nargs="*", default=[0, 3, 500])
    parser.add_argument("--only", default="", help="views whose name contains this")
    parser.add_argument("--sheets", action="store_true")
    trio.run(main, parser.parse_args())
