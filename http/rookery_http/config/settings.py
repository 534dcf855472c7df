"""The server's settings beside those of the engine: the API, platforms and the log; those of storage are in `storage`.

`load` fills these structures from the environment; a program that embeds the API fills `ApiSettings` by hand. A field
without a declaration has no environment variable.
"""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal

import msgspec

from rookery.declaring import count, seconds, setting, switch

from .declaring import text
from .origins import networks_of, origins_of
from .variable import http_address

MEBIBYTE = 1024 * 1024


class ApiSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds and bytes."""

    host: Annotated[
        str,
        text(
            "Address of the API; any address but loopback needs `ROOKERY_API_KEY`. `auto`: every address with a key, "
            "loopback without (the container image's choice).",
            right="an IP address, a host name or auto",
            min_length=1,
            pattern=r"^[A-Za-z0-9.:_\[\]-]+$",
        ),
    ] = "127.0.0.1"
    port: Annotated[int, count("Port of the API; 0: a free one, printed at start.", least=0, most=65535, unit="")] = (
        8080
    )
    key: (
        Annotated[
            str,
            text(
                "Admin key: `Authorization: Bearer KEY`.",
                right="printable ASCII without spaces",
                secret=True,
                min_length=1,
                max_length=1024,
                pattern=r"^[!-~]+$",
            ),
        ]
        | None
    ) = None
    max_body: Annotated[
        int,
        setting(
            "Largest body of a send with a file in `data`; other bodies have 256 KiB at most.",
            right="a whole number of bytes from 1024 to 1073741824",
            unit="bytes",
            ge=1024,
            le=1024 * MEBIBYTE,
        ),
    ] = 16 * MEBIBYTE
    body_memory: Annotated[
        int,
        setting(
            "Memory for the bodies of all requests under way; one key may fill half of it. Beyond it large requests get 503.",
            right="a whole number of bytes, ROOKERY_MAX_BODY or more",
            unit="bytes",
            ge=1024,
        ),
    ] = 128 * MEBIBYTE
    key_rate: Annotated[
        float,
        setting(
            "Rate limit of a created key that has no rate of its own, counted by each instance; 0: no limit.",
            right="a number of requests a second, 0 or more",
            unit="per second",
            ge=0,
            le=1_000_000,
        ),
    ] = 100.0
    body_timeout: Annotated[float, seconds("How long a client may take to deliver its request's body.")] = 30.0
    answer_timeout: Annotated[
        float, seconds("How long a client may take to read an answer; event streams have no such limit.")
    ] = 60.0
    keep_alive: Annotated[float, seconds("How long an idle connection stays open.")] = 30.0
    heartbeat: Annotated[float, seconds("How often an event stream without events sends a comment.")] = 15.0
    cors_origins: (
        Annotated[
            str,
            text(
                "Origins of web pages that may call the API, comma separated, such as `https://app.example.org`; `*`: all.",
                right="origins such as https://app.example.org, comma separated, or *",
                check=origins_of,
            ),
        ]
        | None
    ) = None
    base_path: Annotated[
        str,
        text(
            "Path under which a proxy shows this server, such as `/rookery`; the proxy may keep or strip it.",
            right="a path such as /rookery, without a slash at its end",
            shown_default="none",
            pattern=r"^((/(?!\.\.?(/|$))[A-Za-z0-9._~-]+)+)?$",
        ),
    ] = ""
    trusted_proxies: (
        Annotated[
            str,
            text(
                "Addresses and networks of proxies whose `Forwarded` or `X-Forwarded-For` is trusted, comma separated.",
                right="addresses or networks such as 10.0.0.0/8, comma separated",
                check=networks_of,
            ),
        ]
        | None
    ) = None
    drain: float = 2.0
    """Seconds that requests under way may take at shutdown."""

    def __repr__(self) -> str:
        """The settings without the key."""
        return f"<ApiSettings {self.host}:{self.port} key={'set' if self.key else 'none'}>"


class PlatformSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of the connections to the platforms."""

    telegram_api_url: Annotated[
        str,
        text(
            "Base address of the Bot API, also of a local Bot API server or the simulator.",
            right="an http:// or https:// address without user, password or query",
            check=http_address,
        ),
    ] = "https://api.telegram.org"
    telegram_poll_timeout: Annotated[
        int,
        setting("Length of a long poll.", right="a whole number of seconds from 0 to 50", unit="s", ge=0, le=50),
    ] = 50
    telegram_proxy: (
        Annotated[
            str,
            text(
                "Proxy for bots that set none: http, https or socks5, with user and password if it requires them.",
                right="an address such as socks5://user:password@host:1080",
                secret=True,
            ),
        ]
        | None
    ) = None
    telegram_local_files: Annotated[
        bool,
        switch("The Bot API server runs with --local and its files are on this machine: read them from there."),
    ] = False
    whatsapp_sessions_per_worker: Annotated[int, count("WhatsApp sessions in one worker process.", most=1000)] = 10
    whatsapp_qr_rounds: Annotated[
        int,
        count(
            "Rounds of six QR codes (160 s each) that a session shows before it waits for a person to start it again.",
            most=100,
        ),
    ] = 5
    whatsapp_worker: (
        Annotated[
            str,
            text(
                "Installed Python module that runs as WhatsApp worker, and its arguments; for simulators only.",
                right="the name of a Python module",
                shown_default="Rookery's own",
                pattern=r"^[A-Za-z_][A-Za-z0-9_.]*( [A-Za-z_][A-Za-z0-9_.]*)*$",
            ),
        ]
        | None
    ) = None


class LogSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of the log."""

    level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"],
        text(
            "Lowest level that is logged: DEBUG, INFO, WARNING, ERROR or CRITICAL.",
            right="DEBUG, INFO, WARNING, ERROR or CRITICAL",
        ),
    ] = "INFO"
    format: Annotated[
        Literal["auto", "console", "json"],
        text(
            "`json` lines, `console` for people, `auto`: console when stderr is a terminal.",
            right="auto, console or json",
        ),
    ] = "auto"


def is_loopback(host: str) -> bool:
    """True when only this machine can reach an address that listens on `host`."""
    name = host.strip("[]").lower().removesuffix(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
