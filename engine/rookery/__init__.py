"""Rookery: keep many messaging sessions alive (the engine; knows no provider and no HTTP).

async with open_engine(store="sqlite:///bots.db", providers=[Telegram()]) as engine:
    await engine.create_session(id="shop", platform="telegram", credentials={"token": token})
    async for event in engine.events(types=["message"]):
        await engine.send(event.session, to=event.chat, text=event.body["text"])
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .engine import Engine, open_engine
    from .errors import RookeryError
    from .model.event import Event, EventQuery
    from .model.message import MessageState, OutboundMessage, Receipt
    from .model.session import Action, Health, Reason, Session, SessionChange, SessionQuery, SessionStatus
    from .model.webhook import Webhook
    from .settings import EngineSettings

# On first use: a program that needs only the settings or a noun does not load the stores.
_HOMES = {
    "Action": "model.session",
    "Engine": "engine",
    "EngineSettings": "settings",
    "Event": "model.event",
    "EventQuery": "model.event",
    "Health": "model.session",
    "MessageState": "model.message",
    "OutboundMessage": "model.message",
    "Reason": "model.session",
    "Receipt": "model.message",
    "RookeryError": "errors",
    "Session": "model.session",
    "SessionChange": "model.session",
    "SessionQuery": "model.session",
    "SessionStatus": "model.session",
    "Webhook": "model.webhook",
    "open_engine": "engine",
}

__all__ = [
    "Action",
    "Engine",
    "EngineSettings",
    "Event",
    "EventQuery",
    "Health",
    "MessageState",
    "OutboundMessage",
    "Reason",
    "Receipt",
    "RookeryError",
    "Session",
    "SessionChange",
    "SessionQuery",
    "SessionStatus",
    "Webhook",
    "open_engine",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    return found
