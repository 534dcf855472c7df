"""Dependencies that all sessions of one engine use."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from .media.vault import Vault
from .runtime.shields import Shields
from .runtime.signals import Signals
from .runtime.start_gate import StartGate
from .runtime.status_board import StatusBoard
from .runtime.telemetry import Telemetry
from .settings import EngineSettings
from .store.contract import Store


class Services(msgspec.Struct, frozen=True):
    """The engine makes it once and passes it to the parts of every session. `clock` is the wall clock."""

    store: Store
    settings: EngineSettings
    signals: Signals
    board: StatusBoard
    gate: StartGate
    shields: Shields
    telemetry: Telemetry
    clock: Callable[[], float]
    vault: Vault
