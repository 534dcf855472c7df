"""WhatsApp accounts for Rookery: neonize (whatsmeow) in supervised worker processes.

Importing this package needs neither neonize nor libmagic; only a worker imports them. A program that imports neonize
after this package does not need the system's libmagic either.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from .worker.loading.left_out import leave_out as prepare_worker
from .worker.loading.libmagic import provide_libmagic

if TYPE_CHECKING:
    from .provider import WhatsApp as WhatsApp
    from .settings import AccountSettings as AccountSettings
    from .settings import WorkerSettings as WorkerSettings

__all__ = ["AccountSettings", "WhatsApp", "WorkerSettings", "prepare_worker"]

_HOMES = {"AccountSettings": "settings", "WhatsApp": "provider", "WorkerSettings": "settings"}

provide_libmagic()


def __getattr__(name: str) -> object:
    # A worker imports this package too, and must load neither Trio nor the engine.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
