"""Shows an account as online or offline."""

from __future__ import annotations

import trio

from rookery.errors import SendError

from ..workers.port import ClientPort

TRIES = 10
"""A second apart: it works once the phone has told the account's name."""


async def appear(port: ClientPort, available: bool) -> None:
    """Tell it to the server, which forgets it with each connection. Never raises: a session lives without."""
    for _ in range(TRIES):
        try:
            await port.call("presence", available=available)
        except SendError:
            await trio.sleep(1)
        else:
            return
