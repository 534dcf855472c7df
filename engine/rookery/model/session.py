"""A session: its status, what an operator may change, and the right to run it.

Times are seconds since the epoch (float, wall clock). Identifiers are strings that the operator or the platform chose.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec


class SessionStatus(StrEnum):
    """The last observed status of a session (requirement A2)."""

    INITIALIZING = "INITIALIZING"
    LOADING = "LOADING"
    QR_REQUIRED = "QR_REQUIRED"  # a person has to scan a QR code
    CODE_REQUIRED = "CODE_REQUIRED"  # a person has to type the code that was asked for into the phone
    CONNECTED = "CONNECTED"
    RECONNECTING = "RECONNECTING"
    DISCONNECTED = "DISCONNECTED"
    AUTH_FAILURE = "AUTH_FAILURE"


PAIRING_STATUSES = frozenset({SessionStatus.QR_REQUIRED, SessionStatus.CODE_REQUIRED})
"""A person has to link the session to an account now."""


class Reason(StrEnum):
    """Why a session has its status, for machines. `detail` says the same for people."""

    CREATED = "CREATED"  # never started
    STARTING = "STARTING"
    RESTORING = "RESTORING"  # enabled before this process started
    RESTARTING = "RESTARTING"  # requested by the operator
    CONNECTED = "CONNECTED"
    PAIRING = "PAIRING"  # waits for a person to scan, or to type a code
    DISABLED = "DISABLED"  # the operator stopped it
    SHUTDOWN = "SHUTDOWN"  # the engine shut down; the session comes back automatically
    HANDED_OVER = "HANDED_OVER"  # another instance takes the session over
    NETWORK = "NETWORK"
    SERVER_ERROR = "SERVER_ERROR"
    RATE_LIMITED = "RATE_LIMITED"
    CONFLICT = "CONFLICT"
    STARTUP_TIMEOUT = "STARTUP_TIMEOUT"
    PROBE_FAILED = "PROBE_FAILED"
    STORE_ERROR = "STORE_ERROR"
    INTERNAL_ERROR = "INTERNAL_ERROR"
    LEASE_LOST = "LEASE_LOST"
    RECONNECT_EXHAUSTED = "RECONNECT_EXHAUSTED"
    INVALID_TOKEN = "INVALID_TOKEN"  # noqa: S105 - a reason, not a token
    CONFIGURATION = "CONFIGURATION"
    LOGOUT = "LOGOUT"
    TOS_BLOCK = "TOS_BLOCK"
    BANNED = "BANNED"
    QR_EXPIRED = "QR_EXPIRED"
    PASSKEY_REQUIRED = "PASSKEY_REQUIRED"  # the account can be linked only with its passkey
    LIMIT_REACHED = "LIMIT_REACHED"
    UNKNOWN_PLATFORM = "UNKNOWN_PLATFORM"


TERMINAL_REASONS = frozenset(
    {
        Reason.RECONNECT_EXHAUSTED,
        Reason.INVALID_TOKEN,
        Reason.CONFIGURATION,
        Reason.LOGOUT,
        Reason.TOS_BLOCK,
        Reason.BANNED,
        Reason.QR_EXPIRED,
        Reason.PASSKEY_REQUIRED,
        Reason.UNKNOWN_PLATFORM,
    }
)
"""Reasons that waiting does not cure: the session stays down until an operator acts on it (B3, B4, A5)."""


class Action(StrEnum):
    """What a person has to do, if anything."""

    NONE = "none"
    SCAN_QR = "scan_qr"
    ENTER_CODE = "enter_code"
    REMOVE_PASSKEY = "remove_passkey"
    REPLACE_TOKEN = "replace_token"  # noqa: S105
    RETRY = "retry"
    FIX_CONFIGURATION = "fix_configuration"
    STOP_OTHER_CLIENT = "stop_other_client"


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """One observed status with its explanation."""

    status: SessionStatus
    reason: Reason
    detail: str
    since: float
    action: Action = Action.NONE
    last_error: str | None = None
    next_retry_at: float | None = None

    @property
    def terminal(self) -> bool:
        """True when only an operator can bring the session back."""
        return self.reason in TERMINAL_REASONS


class ProofOfLife(msgspec.Struct, kw_only=True):
    """When the session last showed that it is alive; each field is None until it has happened. Kept in memory by the
    owner."""

    last_pong: float | None = None
    last_inbound: float | None = None
    last_ack: float | None = None
    last_probe: float | None = None
    account: dict[str, str | None] | None = None  # the session's account at its platform
    limited_until: float | None = None  # until then the platform lets it write only to people it knows
    probe_latency: float | None = None


class Transition(msgspec.Struct, frozen=True):
    """One row of a session's history (A3)."""

    status: SessionStatus
    reason: Reason
    detail: str
    at: float


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """One messaging account or bot, as stored.

    The operator's columns: `name`, `enabled`, `credentials`, `settings`, `metadata`, `commands`, `restarts`. The session's
    own task writes `health` and `cursor`, fenced by `fence`.

    `uid` is the store's own number of this row: a session that is deleted and created anew under the same id gets
    another one, which separates its events from those of its predecessor.
    """

    id: str
    platform: str
    name: str
    enabled: bool
    health: Health
    credentials: Mapping[str, str] = {}
    settings: Mapping[str, Any] = {}
    metadata: Mapping[str, Any] = {}
    cursor: str | None = None  # the provider's position in its source, opaque here
    commands: int = 0  # start, retry and restart each add one; a newer count than `heeded` lifts a terminal reason
    restarts: int = 0  # restart and changed credentials or settings add one: the running link is replaced
    heeded: int = 0  # `commands` as of the last written status
    uid: int = 0
    fence: int = 0
    owner: str | None = None
    taken_from: str | None = None  # set by a claim: the previous owner, whose lease expired
    unreadable: str | None = None  # why its credentials or settings cannot be read; until then it cannot connect
    created_at: float = 0.0
    updated_at: float = 0.0

    @property
    def wanted(self) -> bool:
        """True when some instance should run this session now."""
        return self.enabled and not (self.health.terminal and self.commands == self.heeded)

    def __repr__(self) -> str:
        """Leaves out credentials and settings: either may hold secrets (E4)."""
        return f"<Session {self.id!r} {self.platform} enabled={self.enabled} {self.health.status}/{self.health.reason}>"


class SessionQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which sessions to list; ordered by id, `after` is exclusive."""

    platform: str | None = None
    status: SessionStatus | None = None
    enabled: bool | None = None
    ids: tuple[str, ...] | None = None
    owner: str | None = None
    after: str | None = None
    limit: int = 100


class BareSessionQuery(SessionQuery, frozen=True, kw_only=True):
    """The sessions come without credentials, settings and metadata, which take most of the time of reading one."""


class SessionChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An operator's change; `UNSET` leaves a column as it is."""

    name: str | msgspec.UnsetType = msgspec.UNSET
    enabled: bool | msgspec.UnsetType = msgspec.UNSET
    credentials: Mapping[str, str] | msgspec.UnsetType = msgspec.UNSET
    settings: Mapping[str, Any] | msgspec.UnsetType = msgspec.UNSET
    metadata: Mapping[str, Any] | msgspec.UnsetType = msgspec.UNSET
    command: bool = False  # commands += 1
    restart: bool = False  # restarts += 1 (and commands += 1)


class Lease(msgspec.Struct, frozen=True):
    """The right to run one session. Every write of the session carries it; a stale lease raises `LeaseLost`."""

    session: str
    uid: int
    owner: str
    fence: int


class PairingCode(msgspec.Struct, frozen=True):
    """`rookery.provider.capabilities.Pairing` as the engine stores it and passes it on."""

    kind: str
    code: str
    expires_at: float
    round: int | None = None  # of several, where the platform shows codes in rounds


class StatusWrite(msgspec.Struct, frozen=True):
    """One observed status of a leased session.

    `heeded` is the `commands` count that the status takes into account. `number` counts the writes under this lease: a
    repeated number is the same write again, whose event is already stored. `code` is a new code that a person has to
    scan or type.
    """

    lease: Lease
    health: Health
    heeded: int
    number: int
    code: PairingCode | None = None


STATUS_CHANGED = "session.status"
QR_SHOWN = "session.qr"
PAIRING_CODE_SHOWN = "session.pairing_code"
"""Types of the events about a session."""

SESSION_EPOCH = -2
"""Keeps the keys of these events apart from those of a platform and of sends."""


HISTORY_LENGTH = 50
"""Status changes kept per session (A3)."""
