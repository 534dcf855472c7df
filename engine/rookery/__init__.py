"""Rookery: keep many messaging sessions alive (the engine; knows no provider and no HTTP).

async with open_engine(store="sqlite:///bots.db", providers=[Telegram()]) as engine:
    await engine.create_session(id="shop", platform="telegram", credentials={"token": token})
    async for event in engine.events():
        ...
"""

from .engine import Engine, open_engine
from .errors import RookeryError
from .model import (
    Action,
    Event,
    Health,
    MessageState,
    OutboundMessage,
    Reason,
    Receipt,
    Session,
    SessionStatus,
    Webhook,
)
from .settings import EngineSettings
from .store.contract import EventQuery, SessionChange, SessionQuery

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
