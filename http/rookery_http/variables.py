"""Every environment variable of `rookery serve`: one table, from which the settings are read and the README's list is made.

Variables of the engine are generated from `EngineSettings`; only their meanings are written here.
"""

from __future__ import annotations

import types
from typing import Annotated, Any, Literal, get_type_hints
from urllib.parse import urlsplit

import msgspec
from pydantic import AfterValidator, Field

from rookery import EngineSettings

from .settings import MEBIBYTE

FIXED_NAMES = {
    "max_concurrent_sessions": "MAX_CONCURRENT_SESSIONS",
    "auto_cleanup_on_logout": "AUTO_CLEANUP_ON_LOGOUT",
}
"""Names that existed before there was a prefix."""

CLIENT_VARIABLES = frozenset({"ROOKERY_URL"})
"""Read by the commands that talk to a running server."""

WORKER_VARIABLES = frozenset({"ROOKERY_SIMULATOR_NOISE_KEY"})
"""Only passed on: read by the worker of a simulator."""

Level = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
Format = Literal["auto", "console", "json"]


class Variable(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table."""

    name: str
    kind: Any
    default: Any
    unit: str = ""
    meaning: str
    right: str  # completes "... is needed"
    secret: bool = False
    group: str
    shown_default: str | None = None

    @property
    def default_text(self) -> str:
        """The default for people."""
        if self.shown_default is not None:
            return self.shown_default
        if self.default is None:
            return "none"
        if isinstance(self.default, bool):
            return str(self.default).lower()
        if isinstance(self.default, float):
            return f"{self.default:g}" if self.default < 1e6 else f"{self.default:.0f}"
        return str(self.default)


def seconds(least: float = 0.001, most: float = 3_155_760_000.0) -> Any:
    """A duration that is not absurd."""
    return Annotated[float, Field(ge=least, le=most, allow_inf_nan=False)]


def count(least: int = 0, most: int = 2**53) -> Any:
    """A whole number in bounds."""
    return Annotated[int, Field(ge=least, le=most)]


def http_address(value: str) -> str:
    """A server's address, perhaps with a path. Raises ValueError."""
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
        raise ValueError("not an HTTP address")
    if parts.username is not None or "?" in value or "#" in value or any(sign <= " " for sign in value):
        raise ValueError("more than an HTTP address")
    return value


def _api() -> list[Variable]:
    positive = "a number of seconds greater than 0"
    return [
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
            right=positive,
        ),
        Variable(
            group="API",
            name="ROOKERY_ANSWER_TIMEOUT",
            kind=seconds(),
            default=60.0,
            unit="s",
            meaning="for a client to take an answer (event streams have no such limit)",
            right=positive,
        ),
        Variable(
            group="API",
            name="ROOKERY_KEEP_ALIVE",
            kind=seconds(),
            default=30.0,
            unit="s",
            meaning="an idle connection is closed after this",
            right=positive,
        ),
        Variable(
            group="API",
            name="ROOKERY_HEARTBEAT",
            kind=seconds(),
            default=15.0,
            unit="s",
            meaning="an event stream without events sends a comment this often",
            right=positive,
        ),
    ]


def _storage() -> list[Variable]:
    return [
        Variable(
            group="Storage",
            name="ROOKERY_DATA_DIR",
            kind=Annotated[str, Field(min_length=1)],
            default="./rookery-data",
            meaning="SQLite database, WhatsApp device stores, media",
            right="a directory",
        ),
        Variable(
            group="Storage",
            name="DATABASE_URL",
            kind=Annotated[str | None, Field(pattern=r"^postgres(ql)?://.+")],
            default=None,
            meaning="`postgresql://user@host/database` keeps the state in PostgreSQL instead",
            right="postgresql://user:password@host/database",
            secret=True,
        ),
        Variable(
            group="Storage",
            name="ROOKERY_SECRET_KEY",
            kind=Annotated[str | None, Field(min_length=1)],
            default=None,
            shown_default="generated into the data directory; required with PostgreSQL",
            meaning="encrypts secrets at rest; several, comma separated, newest first",
            right="one or several keys, comma separated",
            secret=True,
        ),
        Variable(
            group="Storage",
            name="ROOKERY_MEDIA",
            kind=Annotated[
                str | None, Field(pattern=r"^(s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9._/-]*)?|[^:]+)$")
            ],
            default=None,
            shown_default="`media` in the data directory",
            meaning="where files are kept: a directory, or `s3://bucket/prefix` (a prefix of its own: what no row names "
            "there is removed); several instances need S3 or one shared directory",
            right="a directory, or s3://bucket/prefix,",
        ),
        Variable(
            group="Storage",
            name="ROOKERY_S3_ENDPOINT",
            kind=Annotated[str | None, Field(pattern=r"^https?://[^\s/@]+/?$")],
            default=None,
            shown_default="Amazon's",
            meaning="S3-compatible server",
            right="an http:// or https:// address",
        ),
        Variable(
            group="Storage",
            name="ROOKERY_S3_REGION",
            kind=Annotated[str, Field(pattern=r"^[a-z0-9-]+$")],
            default="us-east-1",
            meaning="region of the bucket",
            right="a region such as eu-central-1",
        ),
        Variable(
            group="Storage",
            name="ROOKERY_S3_ACCESS_KEY",
            kind=Annotated[str | None, Field(min_length=1, pattern=r"^[!-~]+$")],
            default=None,
            meaning="may read, write, delete and list under the prefix",
            right="printable ASCII without spaces",
        ),
        Variable(
            group="Storage",
            name="ROOKERY_S3_SECRET_KEY",
            kind=Annotated[str | None, Field(min_length=1, pattern=r"^[!-~]+$")],
            default=None,
            meaning="belongs to the access key",
            right="printable ASCII without spaces",
            secret=True,
        ),
        Variable(
            group="Storage",
            name="ROOKERY_WAIT",
            kind=seconds(0),
            default=0.0,
            unit="s",
            meaning="how long to wait for another process that still uses the data directory",
            right="a number of seconds, 0 or more",
        ),
    ]


def _platforms() -> list[Variable]:
    return [
        Variable(
            group="Platforms",
            name="ROOKERY_TELEGRAM_API_URL",
            kind=Annotated[str, AfterValidator(http_address)],
            default="https://api.telegram.org",
            meaning="Bot API base, also for a local Bot API server or the simulator",
            right="an http:// or https:// address without user, password or query",
        ),
        Variable(
            group="Platforms",
            name="ROOKERY_TELEGRAM_POLL_TIMEOUT",
            kind=count(0, 50),
            default=50,
            unit="s",
            meaning="length of a long poll",
            right="a whole number of seconds from 0 to 50",
        ),
        Variable(
            group="Platforms",
            name="ROOKERY_WHATSAPP_SESSIONS_PER_WORKER",
            kind=count(1, 1000),
            default=10,
            unit="count",
            meaning="WhatsApp sessions in one worker process",
            right="a whole number from 1 to 1000",
        ),
        Variable(
            group="Platforms",
            name="ROOKERY_WHATSAPP_QR_ROUNDS",
            kind=count(1, 100),
            default=5,
            unit="count",
            meaning="rounds of six QR codes (160 s each) that a session shows before it waits for a person to start it again",
            right="a whole number from 1 to 100",
        ),
        Variable(
            group="Platforms",
            name="ROOKERY_WHATSAPP_WORKER",
            kind=Annotated[str | None, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.]*( [A-Za-z_][A-Za-z0-9_.]*)*$")],
            default=None,
            shown_default="Rookery's own",
            meaning="installed Python module that runs as WhatsApp worker, and its arguments; for simulators only",
            right="the name of a Python module",
        ),
    ]


def _logging() -> list[Variable]:
    return [
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
    ]


def engine_variable(field: str) -> str:
    """The variable that sets a field of `EngineSettings`."""
    return FIXED_NAMES.get(field, f"ROOKERY_{field.upper()}")


def _engine() -> list[Variable]:
    from .engine_variables import LEAST, MEANINGS, SHOWN_DEFAULTS, UNITS

    hints = get_type_hints(EngineSettings)
    rows = []
    for field in msgspec.structs.fields(EngineSettings):
        kind = hints[field.name]
        optional = isinstance(kind, types.UnionType)
        base = next(part for part in kind.__args__ if part is not type(None)) if optional else kind
        least = LEAST.get(field.name)
        if base is bool:
            shape, unit, right = bool, "", "true or false"
        elif base is int:
            least = 1 if least is None else int(least)
            shape, unit, right = count(least), "count", f"a whole number, {least} or more"
        elif base is float:
            least = 0.001 if least is None else least
            unit = "s"
            shape, right = seconds(least), f"a number of seconds, {least:g} or more"
        else:
            shape, unit, right = kind, "", "text"
        unit = UNITS.get(field.name, unit)
        if unit not in ("s", "count"):
            right = right.replace(" of seconds", "")
        rows.append(
            Variable(
                group="Engine",
                name=engine_variable(field.name),
                kind=shape | None if optional else shape,
                default=field.default,
                shown_default=SHOWN_DEFAULTS.get(field.name),
                unit=unit,
                meaning=MEANINGS.get(field.name, field.name.replace("_", " ")),
                right=right,
            )
        )
    return rows


TABLE: tuple[Variable, ...] = (*_api(), *_storage(), *_platforms(), *_logging(), *_engine())
BY_NAME = {row.name: row for row in TABLE}


def markdown() -> str:
    """The table of all settings, for the README. A test compares the two."""
    lines = ["| variable | default | unit | meaning |", "|---|---|---|---|"]
    for row in TABLE:
        default = row.default_text if row.shown_default or row.default is None else f"`{row.default_text}`"
        lines.append(f"| `{row.name}` | {default} | {row.unit} | {row.meaning} |")
    return "\n".join(lines) + "\n"
