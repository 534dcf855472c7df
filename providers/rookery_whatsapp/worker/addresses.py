"""WhatsApp addresses as text: `user@server`, `user:device@server`."""

from __future__ import annotations

from typing import Any

from neonize.proto.Neonize_pb2 import JID

USER, LID, GROUP = "s.whatsapp.net", "lid", "g.us"


def parse_jid(text: str) -> JID:
    """The library's form of an address."""
    name, _, server = text.partition("@")
    user, _, device = name.partition(":")
    user, _, agent = user.partition(".")
    return JID(
        User=user,
        Server=server or USER,
        Device=int(device or 0),
        RawAgent=int(agent or 0),
        Integrator=0,
        IsEmpty=False,
    )


def text_of(jid: Any) -> str:
    """The address with its device, as in the library's store; empty without an address."""
    if jid.IsEmpty or not jid.Server:
        return ""
    user = f"{jid.User}.{jid.RawAgent}" if jid.RawAgent else jid.User
    user = f"{user}:{jid.Device}" if jid.Device else user
    return f"{user}@{jid.Server}" if user else jid.Server


def bare(jid: Any) -> str:
    """The address without its device: the account or the group."""
    if jid.IsEmpty or not jid.Server:
        return ""
    return f"{jid.User}@{jid.Server}" if jid.User else jid.Server


def forms(*jids: Any) -> tuple[str, str]:
    """The (phone, lid) addresses among several addresses of one account; an unknown one is empty."""
    known = {jid.Server: bare(jid) for jid in reversed(jids) if bare(jid)}
    return known.get(USER, ""), known.get(LID, "")
