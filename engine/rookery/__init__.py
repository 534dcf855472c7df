"""Rookery: keep many messaging sessions alive (the engine; knows no provider and no HTTP).

async with open_engine(store="sqlite:///bots.db", providers=[Telegram()]) as engine:
    await engine.create_session(id="shop", platform="telegram", credentials={"token": token})
    async for event in engine.events(types=["message"]):
        await engine.send(event.session, to=event.chat, text=event.body["text"])
"""

from .engine import Engine, open_engine
from .errors import RookeryError
from .model.event import Event, EventQuery
from .model.message import MessageState, OutboundMessage, Receipt
from .model.session import Action, Health, Reason, Session, SessionChange, SessionQuery, SessionStatus
from .model.webhook import Webhook
from .settings import EngineSettings

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
