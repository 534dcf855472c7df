"""Shows an account as online or offline."""

from __future__ import annotations

import trio

from rookery.errors import SendError

from ..workers.port import ClientPort

TRIES = 10
"""Attempts a second apart: showing a presence works only after the phone has sent the account's name."""


async def appear(port: ClientPort, available: bool) -> None:
    """Send the presence to the server, which forgets it with each connection. Never raises: it is not essential."""
    for _ in range(TRIES):
        try:
            await port.call("presence", available=available)
        except SendError:
            await trio.sleep(1)
        else:
            return
