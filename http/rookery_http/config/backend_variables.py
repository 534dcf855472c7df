"""Environment variables of what stands behind the engine: storage and platforms."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from .variable import Variable, count, http_address, seconds

STORAGE: tuple[Variable, ...] = (
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
)

PLATFORMS: tuple[Variable, ...] = (
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
)
