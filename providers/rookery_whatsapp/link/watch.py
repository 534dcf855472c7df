"""Detects failures that the library does not report: an open socket whose login is gone, and a library that has given up."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

import trio

from rookery.errors import Failure, ProviderError, SendError

from ..settings import WorkerSettings
from ..worker_pool.port import ClientPort


async def watch(port: ClientPort, settings: WorkerSettings, is_cut: Callable[[], bool]) -> NoReturn:
    """Check the client every `settings.watch` seconds. Raises ProviderError when it will not recover by itself.

    `is_cut` returns True when the connection was cut and the client has reported no login since. After a cut the library
    keeps reporting that it is logged in, even if the server never answers its next login.
    """
    zombie_since = offline_since = None
    while True:
        await trio.sleep(settings.watch)
        try:
            with trio.fail_after(settings.watch):
                is_connected, is_logged_in = await port.call("flags")
        except (SendError, trio.TooSlowError):
            is_connected = is_logged_in = False  # the client does not answer while it connects
        is_logged_in = is_logged_in and not is_cut()
        now = trio.current_time()
        zombie_since = (zombie_since or now) if is_connected and not is_logged_in else None
        offline_since = (offline_since or now) if not is_connected else None
        if zombie_since is not None and now - zombie_since >= settings.zombie:
            raise ProviderError("connected, but WhatsApp's login is gone: restarting", kind=Failure.SERVER)
        if offline_since is not None and now - offline_since >= settings.offline:
            raise ProviderError(f"no connection to WhatsApp for {now - offline_since:.0f} s")
