"""Simulators of the platforms, speaking the real wire protocols, for tests, demos and CI."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .bot_api import BotApiSimulator, Fault, People, open_bot_api_simulator

__all__ = ["BotApiSimulator", "Fault", "People", "open_bot_api_simulator"]

# Each simulator needs packages that the others do not, so a name is imported on first use.
_HOMES = {
    "BotApiSimulator": ".bot_api",
    "Fault": ".bot_api",
    "People": ".bot_api",
    "open_bot_api_simulator": ".bot_api",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(home, __name__), name)
