"""What the API needs to know, apart from the engine. Filled from the environment by `config`, by hand in a program."""

from __future__ import annotations

import ipaddress

import msgspec

MEBIBYTE = 1024 * 1024


class ApiSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds and bytes."""

    host: str = "127.0.0.1"
    port: int = 8080
    key: str | None = None
    max_body: int = 16 * MEBIBYTE  # of a send; everything else is bounded by SMALL_BODY
    key_rate: float = 100.0  # requests a second of a key that has no rate of its own; 0: no limit
    body_timeout: float = 30.0  # for the client to deliver the body
    answer_timeout: float = 60.0  # for the client to take the answer; a stream has none
    keep_alive: float = 30.0
    drain: float = 2.0
    heartbeat: float = 15.0  # of an event stream without events

    def __repr__(self) -> str:
        """Without the key."""
        return f"<ApiSettings {self.host}:{self.port} key={'set' if self.key else 'none'}>"


SMALL_BODY = 256 * 1024


def is_loopback(host: str) -> bool:
    """True when only this machine can reach an address that listens on `host`."""
    name = host.strip("[]").lower().removesuffix(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
