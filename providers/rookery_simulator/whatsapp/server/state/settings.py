"""How the simulated server behaves."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Settings:
    """The server's behaviour; tests may change it at any time."""

    # References in one round. WhatsApp sends six, which last 60 + 5 * 20 s; with fewer each lasts 20 s.
    qr_codes: int = 6
    # The form of the address that messages come from: "lid" as today, "pn" as it was before, "hidden" for a lid alone.
    addressing: str = "lid"
    # The server asks for more one-time keys when this many are left.
    low_prekeys: int = 10
    # New devices make 812 one-time keys, as on the real server; without, 50, which takes half of the time of linking one.
    many_prekeys: bool = True
    # Seconds that a scripted phone takes to send again what a device could not decrypt.
    retry_delay: float = 0.2
    # Acknowledgements say when a message was accepted.
    ack_times: bool = True
    # The server makes devices log in again after pairing; otherwise they stay on a connection that sends nothing more.
    restart_is_heard: bool = True
    # Scripted phones confirm what they receive.
    delivery_receipts: bool = True
