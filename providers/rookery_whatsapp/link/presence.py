"""A connected link's own actions: appear online or offline, learn its name, reject calls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import msgspec
import trio

from rookery.errors import SendError
from rookery.log import get_logger

from ..device.account import Account
from ..protocol import Happened
from ..worker_pool.port import ClientPort

TRIES = 10
"""Attempts, one second apart: a presence can be shown only after the phone has sent the account's name."""

NAME_TRIES, NAME_PAUSE = 20, 1.0  # seconds between
REJECT_DEADLINE = 10.0  # seconds

log = get_logger("SESSION")


async def appear(port: ClientPort, available: bool) -> None:
    """Send the presence to the server, which forgets it with each connection. Never raises: it is not essential."""
    for _ in range(TRIES):
        try:
            await port.call("presence", available=available)
        except SendError:
            await trio.sleep(1)
        else:
            return


async def reject_call(call: Callable[..., Awaitable[Any]], frame: Happened, session: str) -> None:
    """Reject a ringing call. Never raises: a failure is logged."""
    ringing = msgspec.json.decode(frame.body)
    if ringing["state"] == "offered":
        with trio.move_on_after(REJECT_DEADLINE):
            try:
                await call("reject_call", call=ringing["call_id"], origin=ringing["origin"])
            except SendError as error:
                log.warning("a call could not be rejected", session=session, error=str(error))


async def learn_name(port: ClientPort, account: Account) -> None:
    """Learn the account's name, which the phone sends some time after linking."""
    for _ in range(NAME_TRIES):
        with suppress(SendError):
            if name := await port.call("own_name"):
                account.name = str(name)
                account.show()
                return
        await trio.sleep(NAME_PAUSE)
