"""The parts that an engine is assembled from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import trio

from .background.backlog import BacklogWatch
from .background.chat_view import ChatView
from .background.clock_watch import ClockWatch
from .background.keyring import Keyring
from .background.media_fetcher import MediaFetcher
from .background.memory import MemoryGuard
from .background.minutes import MinuteRing
from .background.probes import HealthChecker
from .background.release import Cleaner
from .background.retention import Housekeeper
from .background.scheduler import Schedule
from .cluster.calls import Router
from .cluster.listener import Cluster
from .cluster.membership import Membership
from .delivery import Dispatcher
from .delivery.tail import EventTail
from .delivery.webhook_facts import WebhookFactsBoard
from .media.storage import MediaStorage
from .media.vault import Vault
from .model.event_type import ENGINE_TYPES
from .model.session import Action, Health, Reason, Session, SessionStatus
from .outbound.strays import StraySweep
from .provider.capabilities import EventDescribing
from .provider.contract import Provider
from .runtime.clock import EngineClock
from .runtime.shields import Shields
from .runtime.signals import Signals
from .runtime.start_gate import StartGate
from .runtime.status_board import StatusBoard
from .runtime.telemetry import Telemetry
from .services import Services
from .settings import EngineSettings
from .store.contract import Store
from .store.contract.calls import CallStore
from .supervisor.supervisor import Supervisor


class EngineParts:
    """Holds the parts. The feature classes add the operations."""

    def __init__(
        self,
        store: Store,
        providers: Mapping[str, Provider],
        settings: EngineSettings,
        instance: str,
        clock: Callable[[], float],
        media: MediaStorage,
    ) -> None:
        self.settings = settings
        self.instance = instance
        self._store = store
        self._providers = providers
        self._clock = EngineClock(clock)
        self.started_at = self._clock()
        self._signals = Signals()
        self._shields = Shields()
        self.telemetry = Telemetry()
        self._board = StatusBoard(store, settings, self._signals, lambda lease: self._supervisor.lost(lease))
        self._vault = Vault(media, store, settings, self._shields, self._clock)
        services = Services(
            store,
            settings,
            self._signals,
            self._board,
            StartGate(settings),
            self._shields,
            self.telemetry,
            self._clock,
            self._vault,
        )
        membership = Membership(
            instance,
            lambda: self.started_at,
            services,
            self._clock,
            sessions=lambda: len(self._supervisor.running),
            on_change=lambda: self._supervisor.rescan(),
        )
        self._clock_watch = ClockWatch(self._clock, settings, shared=store.shared, others=lambda: membership.others)
        self._supervisor = Supervisor(instance, providers, services, membership if store.shared else None)
        self._health = HealthChecker(self._supervisor.running, services)
        self._memory = MemoryGuard(providers.values(), services)
        self._backlog = BacklogWatch(self._supervisor.running, services)
        self._cleaner = Cleaner(providers.values(), self._supervisor.running, services, self._clock_watch)
        self._fetcher = MediaFetcher(instance, self._supervisor.running, self._vault, services)
        self._dispatcher = Dispatcher(
            instance,
            store,
            settings,
            self._signals,
            self.telemetry,
            self._clock,
            self._shields,
            on_duty=lambda: self._clock_watch.may_do_duties,
        )
        self._facts = WebhookFactsBoard(store, self._clock)
        self._tail = EventTail(store, self._signals)
        self._housekeeper = Housekeeper(store, settings, self._signals, self._clock, self._clock_watch)
        self._cluster: Cluster | None = None
        if store.shared and isinstance(store, CallStore):
            router = Router(instance, store, membership, services)
            self._cluster = Cluster(instance, self._supervisor, membership, router, services)
        self._keyring = Keyring(store, self._clock, self._shields)
        self._schedule = Schedule(self._supervisor, services)
        self._strays = StraySweep(instance, self._supervisor.running, store, self._signals)
        described = (one for one in providers.values() if isinstance(one, EventDescribing))
        self._event_types = (*ENGINE_TYPES, *(row for provider in described for row in provider.event_types))
        self._chat_view = ChatView(instance, store, self._signals, self._event_types, self._clock)
        self._admitting = trio.Lock()  # where sessions are limited in number, admissions happen one at a time
        self._first_event = 0  # id of the newest event when the engine was opened
        self._minutes = MinuteRing(self.telemetry, self._clock)
        file = getattr(store, "path", None)  # set if the store is a file
        self._data_directory = file.parent if isinstance(file, Path) else getattr(media, "kept_in", None)
        self._closing = False

    def now(self) -> float:
        """The time that stored times are compared with, in seconds since the epoch: the database's if it is shared."""
        return self._clock()

    @property
    def ready(self) -> bool:
        """True while the engine accepts work: it is open, has looked at its stored sessions once, and is neither
        draining nor shutting down."""
        draining = self._cluster is not None and self._cluster.membership.draining
        return not self._closing and not draining and self._supervisor.last_pass is not None

    def _with_latest(self, session: Session) -> Session:
        """Returns the session with its status as of now. The stored status may be some milliseconds old, and no
        task writes one for a session that waits because no instance has room."""
        latest = self._board.latest.get(session.id)
        limit = self.settings.max_concurrent_sessions
        if limit is not None and session.wanted and session.owner is None and len(self._supervisor.running) >= limit:
            latest = Health(
                status=SessionStatus.DISCONNECTED,
                reason=Reason.LIMIT_REACHED,
                detail=f"waits for a place: {limit} sessions may run here (`max_concurrent_sessions`)",
                since=session.health.since,
                action=Action.FIX_CONFIGURATION,
                last_error=session.health.last_error,
            )
        if latest is None and self._unheard_of(session):
            latest = msgspec.structs.replace(
                session.health,
                detail=f"{session.health.detail}; but the instance {session.owner} that runs it is not heard from: this was "
                "its last word, and another one takes over when its lease ends",
            )
        return session if latest is None else msgspec.structs.replace(session, health=latest)

    def _unheard_of(self, session: Session) -> bool:
        """True when another instance holds the session and has not reported for a while that it is alive."""
        if self._cluster is None or session.owner in (None, self.instance):
            return False
        return not self._cluster.membership.census.lives(str(session.owner))
