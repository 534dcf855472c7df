"""A real Chromium on trio, driven over the DevTools protocol through a pipe: no driver, no port, nothing downloaded.

The page is used as people use it: real mouse clicks at real places, real key presses. What goes wrong on it (exceptions,
violations of its policy, dialogs that pop up) is collected in `Page.troubles`.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio
import zxingcpp
from PIL import Image

DEADLINE = 20.0
FLAGS = (
    "--headless",
    "--remote-debugging-pipe",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--disable-features=Translate,OptimizationHints,MediaRouter",
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
    "--hide-scrollbars",
    "--mute-audio",
    "--password-store=basic",
    "--lang=en-GB",
)
# The protocol wants descriptors 3 and 4; what pipes have got may be anything.
_EXEC = (
    "import fcntl, os, sys\n"
    "r, w = (fcntl.fcntl(int(n), fcntl.F_DUPFD, 10) for n in sys.argv[1:3])\n"
    "os.dup2(r, 3); os.dup2(w, 4); os.close(r); os.close(w)\n"
    "os.execv(sys.argv[3], sys.argv[3:])"
)
KEYS = {"Enter": 13, "Tab": 9, "Escape": 27, "ArrowDown": 40, "ArrowUp": 38, " ": 32, "/": 191, "?": 191}


_GONE = ("context was destroyed", "Cannot find context", "navigated or closed", "was collected")


class Navigated(AssertionError):
    """The document that was asked is gone: another one is being loaded."""


def find_chromium() -> str | None:
    """Its path, None when there is none."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((found for name in names if (found := shutil.which(name))), None)


class Chromium:
    """One browser process. Answers are matched by number, events go to the page that they are about."""

    def __init__(self, commands: trio.abc.SendStream, answers: trio.abc.ReceiveStream) -> None:
        self._commands = commands
        self._answers = answers
        self._sending = trio.Lock()
        self._number = 0
        self._waiting: dict[int, trio.MemorySendChannel[dict[str, Any]]] = {}
        self._pages: dict[str, Page] = {}

    async def call(
        self, method: str, session: str | None = None, *, deadline: float = DEADLINE, **parameters: Any
    ) -> Any:
        """One command of the protocol, which may take `deadline` seconds; returns its result."""
        self._number += 1
        number = self._number
        sender, receiver = trio.open_memory_channel[dict[str, Any]](1)
        self._waiting[number] = sender
        message = {"id": number, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        async with self._sending:
            await self._commands.send_all(json.dumps(message).encode() + b"\0")
        with trio.fail_after(deadline):
            answer = await receiver.receive()
        problem = answer.get("error")
        if problem is not None and any(words in problem["message"] for words in _GONE):
            raise Navigated(problem["message"])
        assert problem is None, f"{method}: {problem}"
        return answer["result"]

    async def read(self) -> None:
        """Until the browser has ended."""
        text = b""
        while data := await self._answers.receive_some(1 << 20):
            *messages, text = (text + data).split(b"\0")
            for message in messages:
                document = json.loads(message)
                if "id" in document:
                    await self._waiting.pop(document["id"]).send(document)
                elif page := self._pages.get(document.get("sessionId", "")):
                    page.note(document["method"], document["params"])

    async def open_page(self, url: str, *, width: int = 1280, height: int = 860) -> Page:
        """A tab with this address, once it has loaded."""
        target = (await self.call("Target.createTarget", url="about:blank"))["targetId"]
        session = (await self.call("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
        page = self._pages[session] = Page(self, session, target)
        for domain in ("Page", "Runtime", "Log", "Network"):
            await page.call(f"{domain}.enable")
        await page.resize(width, height)
        await page.go(url)
        return page


class Page:
    """One tab."""

    def __init__(self, browser: Chromium, session: str, target: str) -> None:
        self._browser = browser
        self._session = session
        self._target = target
        self.troubles: list[str] = []
        self.addresses: list[str] = []
        """Everything that the page asked for."""

    def note(self, method: str, params: dict[str, Any]) -> None:
        """An event of the protocol."""
        if method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.troubles.append(details.get("exception", {}).get("description") or details["text"])
        elif method == "Log.entryAdded":
            entry = params["entry"]
            if entry["level"] == "error" and entry["source"] != "network":  # a 404 is an answer like any other
                self.troubles.append(entry["text"])
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "assert"):
            self.troubles.append(str([one.get("value") or one.get("description") for one in params["args"]]))
        elif method == "Page.javascriptDialogOpening":
            self.troubles.append(f"a dialog: {params['message']}")
        elif method == "Network.requestWillBeSent":
            self.addresses.append(params["request"]["url"])

    async def call(self, method: str, **parameters: Any) -> Any:
        return await self._browser.call(method, self._session, **parameters)

    async def close(self) -> None:
        """Close the tab."""
        await self._browser.call("Target.closeTarget", targetId=self._target)

    async def go(self, url: str) -> None:
        await self.call("Page.navigate", url=url)
        await self.until("document.readyState === 'complete'")

    async def reload(self) -> None:
        """Load the page again; the old document has gone when this returns."""
        await self.js("window.isOld = true")
        await self.call("Page.reload")
        await self.until("window.isOld === undefined && document.readyState === 'complete'")

    async def js(self, expression: str, *, deadline: float = DEADLINE) -> Any:
        """The value of an expression; promises are awaited, for at most `deadline` seconds.

        Raises Navigated if the document goes meanwhile.
        """
        result = await self.call(
            "Runtime.evaluate", deadline=deadline, expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in result, f"{expression}: {result['exceptionDetails']}"
        return result["result"].get("value")

    async def until(self, expression: str) -> Any:
        """Wait until an expression is true; returns its value."""
        with trio.move_on_after(DEADLINE):
            while True:
                try:
                    if value := await self.js(expression):
                        return value
                except Navigated:
                    pass  # ask the next document
                await trio.sleep(0.03)
        text = await self.js("document.body.innerText")
        raise AssertionError(f"never true: {expression}\non the page:\n{text}\ntroubles: {self.troubles}")

    async def see(self, text: str, within: str = "body") -> None:
        """Wait until the text can be read."""
        await self.until(f"document.querySelector({json.dumps(within)})?.innerText.includes({json.dumps(text)})")

    async def not_see(self, text: str, within: str = "body") -> None:
        await self.until(f"!document.querySelector({json.dumps(within)})?.innerText.includes({json.dumps(text)})")

    async def click(self, selector: str, text: str = "", *, over: str | None = None) -> None:
        """Click in the middle of the first visible element that fits and has the text, once it stands still.

        The page may change at any moment, so an element can move away or be replaced before the mouse is pressed. A press
        that met something else is released elsewhere, which clicks nothing, and the element is looked for again. `over` is
        an element to hover over first, for what is shown only then.
        """
        with trio.move_on_after(DEADLINE):
            while True:
                if over is not None:
                    await self.hover(over)
                place = await self.until(_place_of(selector, text, aim=True))
                await self._mouse("mousePressed", place)
                if not await self.js("window.aim.hit.pointerdown"):
                    await self._mouse("mouseReleased", {"x": 0, "y": 0})
                    continue
                await self._mouse("mouseReleased", place)
                try:
                    hit = await self.js("window.aim === undefined || window.aim.hit.click")
                except Navigated:
                    return  # what was clicked leads to another page
                if hit:
                    return
        raise AssertionError(f"{selector} {text!r} never stands still")

    async def _mouse(self, kind: str, place: dict[str, float]) -> None:
        await self.call("Input.dispatchMouseEvent", type=kind, **place, button="left", clickCount=1)

    async def hover(self, selector: str, text: str = "") -> None:
        """Move the mouse over the middle of the first visible element that fits and has the text."""
        place = await self.until(_place_of(selector, text))
        await self.call("Input.dispatchMouseEvent", type="mouseMoved", **place)

    async def fill(self, label: str, text: str) -> None:
        """Write into the field with this label, as if typed."""
        with trio.move_on_after(DEADLINE):
            while True:
                await self.until(
                    "(() => { const label = [...document.querySelectorAll('label')].findLast((one) => one.checkVisibility() "
                    f"&& one.textContent.startsWith({json.dumps(label)})); if (!label) return false; "
                    "window.field = document.getElementById(label.htmlFor); field.focus(); field.select?.(); "
                    "return true; })()"
                )
                await self.call("Input.insertText", text=text)
                # Something may have taken the focus, or another field the place of this one.
                if await self.js(f"field.isConnected && field.value.includes({json.dumps(text)})"):
                    return
        raise AssertionError(f"the field {label!r} never takes {text!r}")

    async def press(self, key: str, *, shift: bool = False) -> None:
        """One key, as from a keyboard."""
        more = {"text": "\r" if key == "Enter" else key} if key == "Enter" or len(key) == 1 else {}
        code = {"key": key, "windowsVirtualKeyCode": KEYS[key], "modifiers": 8 if shift else 0}
        await self.call("Input.dispatchKeyEvent", type="keyDown", **code, **more)
        await self.call("Input.dispatchKeyEvent", type="keyUp", **code)

    async def focused(self) -> str:
        """The words on what has the focus."""
        return str(await self.js("(document.activeElement.ariaLabel ?? document.activeElement.textContent).trim()"))

    async def tab_to(self, text: str) -> None:
        """Press Tab until what has the focus begins with the text."""
        for _ in range(80):
            await self.press("Tab")
            if (await self.focused()).startswith(text):
                return
        raise AssertionError(f"Tab never comes to {text!r}")

    async def resize(self, width: int, height: int, *, phone: bool = False) -> None:
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone
        )
        await self.call("Emulation.setTouchEmulationEnabled", enabled=phone)

    async def prefer(self, scheme: str) -> None:
        """`dark` or `light`, as the system would say it."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        await self.call("Emulation.setEmulatedMedia", features=features)

    async def screenshot(self, path: Path) -> bytes:
        """What can be seen, as a PNG."""
        await self.js("document.fonts.ready.then(() => new Promise(requestAnimationFrame)).then(() => true)")
        data = base64.b64decode((await self.call("Page.captureScreenshot", format="png"))["data"])
        await trio.Path(path).write_bytes(data)
        return data


async def qr_codes(page: Page, directory: Path) -> list[str]:
    """The codes that a phone would find on the screen."""
    picture = directory / "qr.png"
    await page.screenshot(picture)
    with Image.open(picture) as image:
        return [found.text for found in zxingcpp.read_barcodes(image)]


_AIM = """
    window.aim?.stop.abort();
    window.aim = { hit: {}, stop: new AbortController() };
    const { hit, stop: { signal } } = window.aim;
    for (const kind of ["pointerdown", "click"]) {
      const note = ({ target }) => { hit[kind] ??= found.contains(target) || target === top; };
      addEventListener(kind, note, { capture: true, signal });
    }
"""
"""Notes in `window.aim` whether the next press, and the next click, meets the element that was found."""


def _place_of(selector: str, text: str, *, aim: bool = False) -> str:
    return (
        f"(async () => {{ const found = [...document.querySelectorAll({json.dumps(selector)})].find((one) => "
        f"one.checkVisibility() && !one.disabled && (one.ariaLabel ?? one.textContent).includes({json.dumps(text)})); "
        "if (!found) return null; found.scrollIntoView({ block: 'center' }); const before = found.getBoundingClientRect(); "
        "await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))); "
        "const box = found.getBoundingClientRect(); if (box.x !== before.x || box.y !== before.y) return null; "
        "const x = box.x + box.width / 2, y = box.y + box.height / 2; const top = document.elementFromPoint(x, y); "
        f"if (!found.contains(top) && !top?.contains(found)) return null; {_AIM if aim else ''} return {{ x, y }}; }})()"
    )


@asynccontextmanager
async def open_chromium(directory: Path) -> AsyncIterator[Chromium]:
    """A browser with a profile of its own in `directory`; it has ended when the block has."""
    executable = find_chromium()
    assert executable is not None, "no chromium on this machine: apt-get install chromium"
    command_reader, command_writer = os.pipe()
    answer_reader, answer_writer = os.pipe()
    # A session of its own, so that its helpers can be ended with it if it does not go by itself.
    process = await trio.lowlevel.open_process(
        [
            *(sys.executable, "-c", _EXEC, str(command_reader), str(answer_writer)),
            *(executable, *FLAGS, f"--user-data-dir={directory / 'profile'}", "about:blank"),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=(command_reader, answer_writer),
        start_new_session=True,
        env={**os.environ, "HOME": str(directory)},
    )
    os.close(command_reader)
    os.close(answer_writer)
    async with trio.lowlevel.FdStream(command_writer) as commands, trio.lowlevel.FdStream(answer_reader) as answers:
        browser = Chromium(commands, answers)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(browser.read)
                yield browser
                await browser.call("Browser.close")
                with trio.move_on_after(5):
                    await process.wait()
                nursery.cancel_scope.cancel()
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
                with trio.CancelScope(shield=True):
                    await process.wait()
