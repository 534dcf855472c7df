"""A simulator of the WhatsApp Web server, for tests, demos and benchmarks with the real neonize library.

    async with open_whatsapp_simulator() as whatsapp:
        alice, bob = whatsapp.phone("4915100000001", "Alice"), whatsapp.phone("4915100000002", "Bob")
        ...                                  # start a client with whatsapp.proxy_url; it shows a QR code
        device = await alice.scan(qr)        # link it to Alice's phone
        sent = bob.send_text(alice, "hi")    # Bob writes, the client gets the message
        await sent.delivered()
        message = await bob.next_message()   # what the client sends to Bob, decrypted

The client is the unmodified wheel. Its worker runs through `trusting_worker` with the variables of `environment()`; it may
also be given `proxy_url` as the proxy of a session.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .crypto.pairing import PairingRefused as PairingRefused
    from .phone.phone import Phone as Phone
    from .phone.records import ReceivedMessage as ReceivedMessage
    from .phone.records import SentMessage as SentMessage
    from .server.state.accounts import LinkedDevice as LinkedDevice
    from .server.state.group import Group as Group
    from .server.state.registration import Refusal as Refusal
    from .simulator import Network as Network
    from .simulator import WhatsAppSimulator as WhatsAppSimulator
    from .simulator import open_whatsapp_simulator as open_whatsapp_simulator

_HOMES = {
    "Group": "server.state.group",
    "LinkedDevice": "server.state.accounts",
    "Network": "simulator",
    "PairingRefused": "crypto.pairing",
    "Phone": "phone.phone",
    "ReceivedMessage": "phone.records",
    "Refusal": "server.state.registration",
    "SentMessage": "phone.records",
    "WhatsAppSimulator": "simulator",
    "open_whatsapp_simulator": "simulator",
}


def __getattr__(name: str) -> object:
    # Workers import only `trust` from this package, and they must not load Trio.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
