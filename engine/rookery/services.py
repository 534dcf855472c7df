"""What all sessions of one engine share."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from .media.vault import Vault
from .pacing import StartGate
from .settings import EngineSettings
from .shields import Shields
from .signals import Signals
from .statuses import StatusBoard
from .store import Store
from .telemetry import Telemetry


class Services(msgspec.Struct, frozen=True):
    """Made once by the engine and handed to every session's parts. `clock` is the wall clock."""

    store: Store
    settings: EngineSettings
    signals: Signals
    board: StatusBoard
    gate: StartGate
    shields: Shields
    telemetry: Telemetry
    clock: Callable[[], float]
    vault: Vault
