"""Addresses: who a message is from and for.

WhatsApp knows every user under two addresses: the phone number (`491511@s.whatsapp.net`) and a hidden identifier
(`100491511@lid`). Both carry a device number: 0 is the phone itself, 1 and up are linked devices.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

PHONE_SERVER = "s.whatsapp.net"
LID_SERVER = "lid"
GROUP_SERVER = "g.us"
LEGACY_SERVER = "c.us"

# The first byte of an address with a device number says which server it belongs to.
DOMAIN_OF_SERVER = {PHONE_SERVER: 0, LID_SERVER: 1, "hosted": 128, "hosted.lid": 129}
SERVER_OF_DOMAIN = {domain: server for server, domain in DOMAIN_OF_SERVER.items()}


@dataclass(frozen=True, slots=True)
class Jid:
    """`user` is "" for a server itself; `device` is 0 for a phone, a group or a server."""

    user: str
    server: str = PHONE_SERVER
    device: int = 0

    @classmethod
    def parse(cls, text: str) -> Jid:
        """Read `user[:device]@server`; raises ValueError without a server, or with another device than a number."""
        user, separator, server = text.rpartition("@")
        user, _, device = user.partition(":")
        if not separator or not server or not (device or "0").isdecimal():
            raise ValueError(f"not an address: {text!r}")
        return cls(user, server, int(device or 0))

    def __str__(self) -> str:
        if not self.user:
            return self.server
        device = f":{self.device}" if self.device else ""
        return f"{self.user}{device}@{self.server}"

    @property
    def bare(self) -> Jid:
        """The user without the device."""
        return replace(self, device=0)

    def with_device(self, device: int) -> Jid:
        return replace(self, device=device)


SERVER = Jid("", PHONE_SERVER)
GROUPS = Jid("", GROUP_SERVER)
STATUS = Jid("status", "broadcast")
"""Where an account posts its statuses."""
