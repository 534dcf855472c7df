"""Telegram bots for Rookery, by long polling of the Bot API."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .provider import Telegram as Telegram
    from .sending.rates import Rates as Rates
    from .settings import BotSettings as BotSettings

__all__ = ["BotSettings", "Rates", "Telegram"]

_HOMES = {"BotSettings": "settings", "Rates": "sending.rates", "Telegram": "provider"}


def __getattr__(name: str) -> object:
    # On first use: a command that checks only settings does not load the provider.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
