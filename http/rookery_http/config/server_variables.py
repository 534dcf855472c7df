"""Environment variables of the API and of the log."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .settings import MEBIBYTE
from .variable import Variable, count, seconds

Level = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
Format = Literal["auto", "console", "json"]
_POSITIVE = "a number of seconds greater than 0"

API: tuple[Variable, ...] = (
    Variable(
        group="API",
        name="ROOKERY_HOST",
        kind=Annotated[str, Field(min_length=1, pattern=r"^[A-Za-z0-9.:_\[\]-]+$")],
        default="127.0.0.1",
        meaning="address of the API; anything but loopback needs `ROOKERY_API_KEY`; "
        "`auto`: every address with a key, loopback without (the container image's choice)",
        right="an IP address, a host name or auto",
    ),
    Variable(
        group="API",
        name="ROOKERY_PORT",
        kind=count(0, 65535),
        default=8080,
        meaning="port of the API; 0: a free one, printed at start",
        right="a whole number from 0 to 65535",
    ),
    Variable(
        group="API",
        name="ROOKERY_API_KEY",
        kind=Annotated[str | None, Field(min_length=1, max_length=1024, pattern=r"^[!-~]+$")],
        default=None,
        meaning="admin key: `Authorization: Bearer KEY`",
        right="printable ASCII without spaces",
        secret=True,
    ),
    Variable(
        group="API",
        name="ROOKERY_MAX_BODY",
        kind=count(1024, 1024 * MEBIBYTE),
        default=16 * MEBIBYTE,
        unit="bytes",
        meaning="largest body of a send; other calls take 256 KiB at most",
        right="a whole number of bytes from 1024 to 1073741824",
    ),
    Variable(
        group="API",
        name="ROOKERY_KEY_RATE",
        kind=Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)],
        default=100.0,
        unit="per second",
        meaning="requests of a created key that has no rate of its own, counted by each instance; 0: no limit",
        right="a number of requests a second, 0 or more",
    ),
    Variable(
        group="API",
        name="ROOKERY_BODY_TIMEOUT",
        kind=seconds(),
        default=30.0,
        unit="s",
        meaning="for a client to deliver its request's body",
        right=_POSITIVE,
    ),
    Variable(
        group="API",
        name="ROOKERY_ANSWER_TIMEOUT",
        kind=seconds(),
        default=60.0,
        unit="s",
        meaning="for a client to take an answer (event streams have no such limit)",
        right=_POSITIVE,
    ),
    Variable(
        group="API",
        name="ROOKERY_KEEP_ALIVE",
        kind=seconds(),
        default=30.0,
        unit="s",
        meaning="an idle connection is closed after this",
        right=_POSITIVE,
    ),
    Variable(
        group="API",
        name="ROOKERY_HEARTBEAT",
        kind=seconds(),
        default=15.0,
        unit="s",
        meaning="an event stream without events sends a comment this often",
        right=_POSITIVE,
    ),
)

LOGGING: tuple[Variable, ...] = (
    Variable(
        group="Logging",
        name="LOG_LEVEL",
        kind=Level,
        default="INFO",
        meaning="least important level that is written: DEBUG, INFO, WARNING, ERROR or CRITICAL",
        right="DEBUG, INFO, WARNING, ERROR or CRITICAL",
    ),
    Variable(
        group="Logging",
        name="LOG_FORMAT",
        kind=Format,
        default="auto",
        meaning="`json` lines, `console` for people, `auto`: console when stderr is a terminal",
        right="auto, console or json",
    ),
)
