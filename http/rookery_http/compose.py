"""The composition root, which with `platforms` names the providers. Settings in, a running server out.

Shutdown runs in the reverse order of the start: the API refuses and drains, then the engine stops its sessions, then
the store closes, and only then does the server release the data directory to a process that waits for it.
"""

from __future__ import annotations

import errno
import logging
import os
import signal
import stat
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NoReturn

import msgspec
import psutil
import trio

from rookery import Engine, RookeryError, open_engine
from rookery.errors import InvalidInput, SecretKeyError
from rookery.log import get_logger
from rookery.model.address import proxy_address
from rookery_telegram import BotSettings, Telegram
from rookery_telegram.bot_api.proxy import SCHEMES
from rookery_telegram.sending.options import object_schemas, option_schemas
from rookery_whatsapp import AccountSettings, WhatsApp
from rookery_whatsapp import options as whatsapp_options
from rookery_whatsapp.settings import PROXY_SCHEMES

from .api.state import PlatformInput
from .config.advice import with_variables
from .config.load import Config
from .operate.stuck import answering_signals
from .platforms import providers as providers
from .serve import serve_api
from .server.address import Address
from .server.server import CannotListen

log = get_logger("API")

LAST_MOMENT = 0.2
"""Seconds before the end of the grace period at which the process exits even if something still hangs: everything
durable is already stored, and waiting for SIGKILL would be no gentler."""

Announce = Callable[[Address], None]


def platform_inputs() -> dict[str, PlatformInput]:
    """The input that each platform accepts, for the description of the API."""
    _, shapes = msgspec.json.schema_components([BotSettings, AccountSettings])
    account = shapes["AccountSettings"]
    for shape, schemes in ((account, PROXY_SCHEMES), (shapes["BotSettings"], SCHEMES)):
        text = {"type": "string", "pattern": proxy_address(schemes)}
        shape["properties"]["proxy"] = {"anyOf": [text, {"type": "null"}], "default": None}
    token = {"type": "string", "pattern": "^[0-9]{1,20}:[A-Za-z0-9_-]{3,256}$", "description": "from BotFather"}
    return {
        "telegram": PlatformInput(
            credentials={
                "type": "object",
                "properties": {"token": token},
                "required": ["token"],
                "additionalProperties": False,
            },
            settings=shapes["BotSettings"],
            event_types=Telegram.event_types,
            example={"credentials": {"token": "123456789:nobodys-bot-0123456789abcdefghijkl"}},
            options=option_schemas(),
            objects=object_schemas(),
        ),
        "whatsapp": PlatformInput(
            credentials={
                "type": "object",
                "properties": {
                    "account": {
                        "type": "string",
                        "pattern": "^[0-9]{5,20}$",
                        "description": "the only phone number that may scan the QR code, with its country code",
                    },
                    "jid": {
                        "type": "string",
                        "pattern": r"^[0-9]{5,20}(:[0-9]{1,5})?@s\.whatsapp\.net$",
                        "description": "the linked device; written by Rookery",
                    },
                },
                "additionalProperties": False,
            },
            settings=account,
            event_types=WhatsApp.event_types,
            example={"credentials": {"account": "4915112345678"}, "settings": {"presence": "unavailable"}},
            options=whatsapp_options.schemas(),
        ),
    }


def announce(address: Address) -> None:
    """Print where the server listens, on standard output."""
    sys.stdout.write(f"Rookery listens on {address.url}\nDashboard: {address.url}/dashboard\n")
    sys.stdout.flush()


def run_server(config: Config, *, ready: Announce = announce) -> int:
    """Serve until a signal; returns the exit code.

    0: ended by a first SIGTERM or SIGINT. 128 + n: a second signal n cut the end short. 1: something failed. 2: the
    settings cannot be used.
    """
    try:
        return trio.run(partial(_Server(config, ready).run), strict_exception_groups=True)
    except BaseExceptionGroup as group:
        return _failed(group)
    except Exception as error:
        return _failed(error)


class _Server:
    def __init__(self, config: Config, ready: Announce) -> None:
        self._config = config
        self._ready = ready
        self._stop = trio.Event()
        self._all = trio.CancelScope()
        self._engine: Engine | None = None
        self._exit_code = 0

    async def run(self) -> int:
        # Outermost, so that signals are received as long as anything is still open.
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals, answering_signals():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._watch, signals)
                with self._all:
                    await self._serve()
                nursery.cancel_scope.cancel()
        return self._exit_code

    async def _serve(self) -> None:
        config = self._config
        if config.storage.database_url is None:
            _make(config.storage.directory)
        if config.storage.media is not None and not config.storage.media_in_s3:
            _check_media(Path(config.storage.media_place))
        if config.storage.wait:
            log.info("opening the store", seconds_to_wait=config.storage.wait)
        opening = open_engine(
            store=config.storage.store,
            providers=providers(config),
            secret_key=config.storage.secret_key,
            settings=config.engine,
            wait=config.storage.wait,
            media=config.storage.open_media(config.engine.ca_bundle),
        )
        async with opening as self._engine, trio.open_nursery() as nursery:
            (address, *_) = await nursery.start(
                partial(
                    serve_api, self._engine, config.api, stop=self._stop, platforms=platform_inputs(), config=config
                )
            )
            self._ready(address)
        log.info("stopped")

    async def _watch(self, signals: AsyncIterator[int]) -> None:
        count = 0
        async with trio.open_nursery() as nursery:
            async for number in signals:
                count += 1
                if count == 1:
                    log.info("stopping", signal=signal.Signals(number).name)
                    self._stop.set()
                    nursery.start_soon(self._cut_off)
                    if self._engine is None:
                        self._all.cancel()  # still waiting for the data directory
                    else:
                        self._engine.stop_soon(
                            callers=self._config.api.drain, everything=max(0.0, self._grace - LAST_MOMENT)
                        )
                elif count == 2:
                    log.warning("stopping at once", signal=signal.Signals(number).name)
                    self._exit_code = 128 + number
                    if self._engine is not None:
                        self._engine.stop_now()
                    self._all.cancel()
                else:
                    _die(130)

    async def _cut_off(self) -> None:
        await trio.sleep(max(0.0, self._grace - LAST_MOMENT / 2))
        log.error("a part of the server does not answer and is abandoned", grace=self._grace)
        for child in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                child.kill()
        _die(0)

    @property
    def _grace(self) -> float:
        """Seconds for the whole shutdown (`ROOKERY_SHUTDOWN_GRACE`)."""
        return self._config.engine.shutdown_grace + self._config.api.drain


def _make(data_dir: Path) -> None:
    """Raises InvalidInput."""
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        why = "it is a file" if isinstance(error, FileExistsError) else error.strerror or str(error)
        raise InvalidInput(
            f"ROOKERY_DATA_DIR: {str(data_dir)!r} cannot be used ({why}); name a directory that can be created and written",
            field="ROOKERY_DATA_DIR",
        ) from None


def _check_media(directory: Path) -> None:
    """Refuse a path that cannot be that of a directory. A missing directory is created with the first file, and one on
    a network that is unreachable now may come back. Raises InvalidInput."""
    try:
        why = None if stat.S_ISDIR(directory.stat().st_mode) else "it is a file"
    except OSError as error:
        why = error.strerror if error.errno in (errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR) else None
    if why is not None:
        raise InvalidInput(
            f"ROOKERY_MEDIA: {str(directory)!r} cannot be used ({why}); name a directory", field="ROOKERY_MEDIA"
        )


def _die(code: int) -> NoReturn:
    logging.shutdown()
    os._exit(code)


def _failed(error: BaseException) -> int:
    """Report why the server failed: expected failures in one line, others with full details."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    if isinstance(error, RookeryError | CannotListen | OSError):
        sys.stderr.write(f"rookery: {with_variables(str(error))}\n")
        return 2 if isinstance(error, InvalidInput | SecretKeyError) else 1
    log.critical("ended by an unexpected error", exc_info=error)
    return 1
