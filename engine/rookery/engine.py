"""The whole public surface: `open_engine` and `Engine`."""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import trio

from .errors import InvalidInput
from .features.chats import ChatFeatures
from .features.commands import CommandFeatures
from .features.events import EventFeatures
from .features.keys import KeyFeatures
from .features.media import MediaFeatures
from .features.operating.operations import OperationsFeatures
from .features.operating.overview import OverviewFeatures
from .features.pairing import PairingFeatures
from .features.platform.directory import DirectoryFeatures
from .features.platform.platform_methods import PlatformMethodFeatures
from .features.replies import ReplyFeatures
from .features.sessions import SessionFeatures
from .features.sinks import SinkFeatures
from .features.webhooks import WebhookFeatures
from .log import get_logger
from .media.disk import DiskStorage
from .media.open import storage_from_text
from .media.storage import MediaStorage
from .provider.capabilities import Hurried
from .provider.contract import Provider
from .running import running
from .session.stop import Intent
from .settings import EngineSettings, check_settings
from .store.contract import Store

HANDOVER_SHARE = 0.4
"""Share of the grace for handing sessions over in groups, so that each session is disconnected only briefly."""

CLOSING_SHARE, CLOSING_SECONDS = 0.05, 0.4
"""Part of the grace reserved for closing providers, files and the store: this share of it, but at most this many
seconds."""

LEAVE_TIMEOUT = 0.5  # seconds to leave the cluster

MEDIA = "media"
"""The directory of files beside a SQLite database."""

log = get_logger("SESSION")


class Engine(
    PairingFeatures,
    ReplyFeatures,
    CommandFeatures,
    PlatformMethodFeatures,
    SessionFeatures,
    MediaFeatures,
    EventFeatures,
    DirectoryFeatures,
    ChatFeatures,
    WebhookFeatures,
    SinkFeatures,
    KeyFeatures,
    OperationsFeatures,
    OverviewFeatures,
):
    """Everything that Rookery can do, one call each. Made by `open_engine`; safe to use from any task of its trio run.

    Errors are those of `rookery.errors`. A cancelled call may have taken effect.
    """

    def __init__(
        self,
        store: Store,
        providers: Mapping[str, Provider],
        settings: EngineSettings,
        instance: str,
        clock: Callable[[], float],
        media: MediaStorage,
    ) -> None:
        super().__init__(store, providers, settings, instance, clock, media)
        self._grace = trio.CancelScope()
        self._ends_at = float("inf")  # trio time
        self._services_scope = trio.CancelScope()
        self._serve_owner_calls(
            self._delete_here,
            self._logout_here,
            self._life_here,
            self._pairing_here,
            self._pairing_code_here,
            self._media_here,
            self._media_part_here,
            self._leave_server_here,
            self._question_here,
        )
        self._serve_method_calls()
        self._serve_checks()
        self._serve_overview()
        self._dispatcher.on_answer = self._carry_out
        self._dispatcher.on_commands = self._carry_out_commands

    @property
    def location(self) -> str:
        """Where the state is stored, without passwords."""
        return self._store.location

    @property
    def store(self) -> Store:
        """The open store, for tools and tests; programs use the calls of the engine."""
        return self._store

    @property
    def providers(self) -> Mapping[str, Provider]:
        """The providers by platform."""
        return self._providers

    @property
    def platforms(self) -> tuple[str, ...]:
        """The platforms that sessions can use."""
        return tuple(sorted(self._providers))

    def stop_soon(self, *, callers: float, everything: float) -> None:
        """The end of the block is near: each waiting caller gets its answer within `callers` seconds or not at all, and
        everything must be closed within `everything` seconds, even if a part does not answer. Without this call,
        `settings.shutdown_grace` starts when the block is left."""
        now = trio.current_time()
        self._shields.limit_callers(now + callers)
        self._end_by(now + everything)

    def stop_now(self) -> None:
        """Give up the grace of the current or coming shutdown: durable data stays, everything else is dropped."""
        self._shields.limit(-float("inf"))
        self._grace.deadline = -float("inf")
        self._store.close_by = trio.current_time()

    def _end_by(self, at: float) -> float:
        """Have everything closed at this trio time. Returns the time by which the sessions and all writes must have
        ended."""
        self._ends_at = min(self._ends_at, at)
        left = self._ends_at - trio.current_time()
        sessions_by = self._ends_at - min(CLOSING_SHARE * max(0.0, left), CLOSING_SECONDS)
        self._shields.limit(sessions_by)
        self._store.close_by = self._ends_at
        for provider in self._providers.values():
            if isinstance(provider, Hurried):
                provider.close_by(sessions_by)
        return self._shields.until

    async def _serve(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Run every task of the engine, shielded once the body runs: they end after the body has ended and the sessions
        have stopped. Until then, a caller that gives up opening cancels them."""
        with self._services_scope:
            async with trio.open_nursery() as nursery:
                self._first_event = await self._store.last_event_id()
                if self._cluster is not None:  # before the first claim, which takes no more than a fair share
                    await self._cluster.membership.beat()
                    self.started_at = self._clock()  # the database's time is now known
                nursery.start_soon(self._clock_watch.run)
                nursery.start_soon(self._board.run)
                nursery.start_soon(self._dispatcher.run)
                nursery.start_soon(self._tail.run)
                nursery.start_soon(self._housekeeper.run)
                nursery.start_soon(self._health.run)
                nursery.start_soon(self._memory.run)
                nursery.start_soon(self._minutes.run)
                nursery.start_soon(self._backlog.run)
                nursery.start_soon(self._cleaner.run)
                nursery.start_soon(self._keyring.run)
                nursery.start_soon(self._schedule.run)
                nursery.start_soon(self._chat_view.run)
                nursery.start_soon(self._strays.run)
                nursery.start_soon(self._fetcher.run, self._first_event)
                await nursery.start(self._supervisor.run)
                if self._cluster is not None:
                    nursery.start_soon(self._cluster.run)
                task_status.started()
                # A caller that was just cancelled does not take the engine over, and a shield would leave both waiting
                # for ever.
                self._services_scope.shield = trio.current_effective_deadline() > -float("inf")

    async def _shut_down(self) -> None:
        """Stop accepting work, then stop the periodic work, then every session in parallel, then deliveries (C1)."""
        self._closing = True
        until = self._end_by(trio.current_time() + self.settings.shutdown_grace)
        self._grace = trio.CancelScope(deadline=until, shield=True)
        try:
            with self._grace:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._stop_sessions)
                    nursery.start_soon(self._dispatcher.close)
                if self._cluster is not None:
                    with trio.move_on_after(LEAVE_TIMEOUT):
                        await self._cluster.membership.leave()
            if self._grace.cancelled_caught:
                log.error("the grace period is over", sessions_left=len(self._supervisor.running))
        finally:
            self._signals.close()  # host tasks outside the block may still wait for messages
            self._services_scope.cancel()

    async def _stop_sessions(self) -> None:
        """Stop all sessions at once. If other instances take them over, first hand over as many at a time as one
        instance connects at a time."""
        if self._cluster is not None:
            self._cluster.membership.drain()  # the others need to know their share before the sessions arrive
            if len(self._cluster.membership.census.takers) > 1:
                self._cluster.leveler.nudge()
                with trio.move_on_after(HANDOVER_SHARE * self.settings.shutdown_grace):
                    await self._cluster.leveler.emptied()
        await self._supervisor.stop_all(Intent.SHUTDOWN)


def _instance_name() -> str:
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"


@asynccontextmanager
async def open_engine(
    *,
    providers: Sequence[Provider],
    store: str | Store = "sqlite:///rookery.db",
    secret_key: str | None = None,
    settings: EngineSettings | None = None,
    wait: float = 0.0,
    instance: str | None = None,
    media: str | Path | MediaStorage | None = None,
    clock: Callable[[], float] = time.time,
) -> AsyncIterator[Engine]:
    """Open the store, start the enabled sessions, and run until the block is left or cancelled.

    Args:
        providers: the platforms; the engine enters and leaves them.
        store: `sqlite:///relative.db`, `sqlite:////absolute.db`, `memory:`, `postgresql://...`, or a store that is not open.
        secret_key: encrypts secrets at rest; several, comma separated, newest first. SQLite makes one beside the database.
        settings: intervals, deadlines and limits.
        wait: seconds to wait for another engine to let go of the SQLite database.
        instance: this engine's name in leases; generated when absent.
        media: where files are kept: a directory, or a storage that is not open (`rookery.media.storage`). Without it
            `media` beside the SQLite database; with any other store a temporary directory, gone with the engine.
        clock: wall clock, seconds since the epoch.

    Leaving the block, also by an exception or a cancellation, disconnects every session within `settings.shutdown_grace`
    and closes the store last. `enabled`, credentials and authorisations are untouched. The block's own exception arrives
    as it is. Installs no signal handlers and configures no logging.

    Raises:
        DataDirectoryInUse, SecretKeyError, StoreError, InvalidInput: it could not be opened.
    """
    _check_runs_on_trio()
    settings = settings or EngineSettings()
    check_settings(settings)
    named: dict[str, Provider] = {provider.platform: provider for provider in providers}
    if len(named) != len(providers):
        raise InvalidInput("two providers have the same platform", field="providers")
    if isinstance(store, str):
        from .store.open import store_from_url

        store = store_from_url(store, secret_key=secret_key, wait=wait)
    if media is None:
        file = getattr(store, "path", None)  # set if the store is a file
        storage: MediaStorage = DiskStorage(file.parent / MEDIA if isinstance(file, Path) else None)
    else:
        storage = storage_from_text(media) if isinstance(media, str | Path) else media
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(store.open())
        await stack.enter_async_context(storage.open())
        for provider in providers:
            await stack.enter_async_context(provider.running())
        engine = Engine(store, named, settings, instance or _instance_name(), clock, storage)
        await stack.enter_async_context(running(engine._serve, engine._shut_down))
        yield engine


def _check_runs_on_trio() -> None:
    try:
        trio.lowlevel.current_task()
    except RuntimeError:
        raise RuntimeError(
            "Rookery runs on Trio: call open_engine inside `trio.run(main)`, or in an AnyIO program with backend='trio'. A "
            "program on asyncio talks to `rookery serve` over HTTP instead"
        ) from None
