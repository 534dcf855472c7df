"""The registration of a device that is not paired yet, and the server's refusal of a device."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Registration:
    """The keys of a device that is not paired yet; 32 bytes each, the signature 64."""

    noise_public: bytes
    identity_public: bytes
    registration_id: int
    signed_id: int
    signed_key: bytes
    signature: bytes
    system: str  # how the phone lists the device, for example "Neonize"
    wants_full_history: bool = False


@dataclass(frozen=True)
class Refusal:
    """A `<failure>`: `reason` is WhatsApp's number, `details` further attributes such as `code` and `expire`."""

    reason: int
    details: dict[str, str] = field(default_factory=dict)
