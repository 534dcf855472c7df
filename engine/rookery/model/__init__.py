"""The nouns of Rookery as frozen data, one module per noun. No I/O and no trio in here.

Every noun can be imported from here; code of the engine names the noun's own module.
"""

from .event import Event, EventQuery, NewEvent
from .message import MessageQuery, MessageState, OutboundMessage, Receipt, Recorded, SendOutcome
from .session import (
    TERMINAL_REASONS,
    Action,
    Health,
    Lease,
    ProofOfLife,
    Reason,
    Session,
    SessionChange,
    SessionQuery,
    SessionStatus,
    StatusWrite,
    Transition,
)
from .webhook import (
    DeadLetter,
    Delivery,
    DeliveryAttempt,
    DeliveryNote,
    DeliveryOutcome,
    ReplayQuery,
    Webhook,
    WebhookFacts,
)

__all__ = [
    "TERMINAL_REASONS",
    "Action",
    "DeadLetter",
    "Delivery",
    "DeliveryAttempt",
    "DeliveryNote",
    "DeliveryOutcome",
    "Event",
    "EventQuery",
    "Health",
    "Lease",
    "MessageQuery",
    "MessageState",
    "NewEvent",
    "OutboundMessage",
    "ProofOfLife",
    "Reason",
    "Receipt",
    "Recorded",
    "ReplayQuery",
    "SendOutcome",
    "Session",
    "SessionChange",
    "SessionQuery",
    "SessionStatus",
    "StatusWrite",
    "Transition",
    "Webhook",
    "WebhookFacts",
]
