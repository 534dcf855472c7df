"""The environment as settings, checked: one line a mistake, naming the variable and what would be right."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from pydantic import Field, ValidationError, create_model
from pydantic_settings import BaseSettings, SettingsConfigDict

from rookery import EngineSettings
from rookery.background.media_fetcher import kinds_of
from rookery.errors import InvalidInput
from rookery.media.open import storage_from_text
from rookery.media.storage import MediaStorage

from .settings import ApiSettings, is_loopback
from .table import BY_NAME, CLIENT_VARIABLES, TABLE, WORKER_VARIABLES, engine_variable

API_FIELDS = {
    "host": "ROOKERY_HOST",
    "port": "ROOKERY_PORT",
    "key": "ROOKERY_API_KEY",
    "max_body": "ROOKERY_MAX_BODY",
    "key_rate": "ROOKERY_KEY_RATE",
    "body_timeout": "ROOKERY_BODY_TIMEOUT",
    "answer_timeout": "ROOKERY_ANSWER_TIMEOUT",
    "keep_alive": "ROOKERY_KEEP_ALIVE",
    "heartbeat": "ROOKERY_HEARTBEAT",
}
S3 = "s3://"
AUTO = "auto"
DATABASE = "rookery.db"
DRAIN_SHARE = 0.25
"""Part of the shutdown's grace that requests under way may take; the rest is the engine's."""


class ConfigurationError(Exception):
    """`lines` has one sentence for each mistake."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


class MediaConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Where files are kept; `place` as in `ROOKERY_MEDIA`."""

    place: str
    endpoint: str | None = None
    region: str = "us-east-1"
    access_key: str | None = None
    secret_key: str | None = None

    @property
    def shared(self) -> bool:
        """True when it is S3."""
        return self.place.startswith(S3)

    def storage(self, data_dir: Path) -> MediaStorage:
        """Not opened yet. Raises InvalidInput."""
        return storage_from_text(
            self.place,
            endpoint=self.endpoint,
            region=self.region,
            access_key=self.access_key,
            secret_key=self.secret_key,
            spools=data_dir / "media" / "tmp",
        )

    def __repr__(self) -> str:
        """Without secrets."""
        return f"<MediaConfig {self.place!r}>"


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """What `rookery serve` needs."""

    api: ApiSettings
    engine: EngineSettings
    data_dir: Path
    database_url: str | None
    secret_key: str | None
    media: MediaConfig
    wait: float
    telegram_api_url: str
    telegram_poll_timeout: int
    whatsapp_sessions_per_worker: int
    whatsapp_qr_rounds: int
    whatsapp_worker: str | None
    log_level: str
    log_format: str

    @property
    def store(self) -> str:
        """The store's URL for `open_engine`."""
        return self.database_url or f"sqlite:///{self.data_dir.absolute() / DATABASE}"

    def __repr__(self) -> str:
        """Without secrets."""
        return f"<Config {self.api!r} data_dir={str(self.data_dir)!r}>"


def _variables() -> type[BaseSettings]:
    fields: dict[str, Any] = {
        row.name.lower(): (row.kind, Field(default=row.default, validation_alias=row.name)) for row in TABLE
    }

    class Base(BaseSettings):
        model_config = SettingsConfigDict(
            case_sensitive=True, env_ignore_empty=True, env_parse_none_str="none", extra="ignore"
        )

    return create_model("Variables", __base__=Base, **fields)


def load(**overrides: Any) -> Config:
    """Settings from the environment; `overrides` are variables by name that win over it, None meaning not given.

    Raises:
        ConfigurationError: with a line for every mistake.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        values = {name.upper(): value for name, value in _variables()(**_upper_case_level(given)).model_dump().items()}
    except ValidationError as error:
        raise ConfigurationError(_explain(error)) from None
    if values["ROOKERY_HOST"] == AUTO:
        values["ROOKERY_HOST"] = "127.0.0.1" if values["ROOKERY_API_KEY"] is None else "0.0.0.0"  # noqa: S104
    lines = _contradictions(values)
    if lines:
        raise ConfigurationError(lines)
    if not os.environ.get("ROOKERY_WEBHOOK_ALLOW_PRIVATE") and "ROOKERY_WEBHOOK_ALLOW_PRIVATE" not in given:
        # Callers from elsewhere must not reach through us what only we can reach.
        values["ROOKERY_WEBHOOK_ALLOW_PRIVATE"] = is_loopback(values["ROOKERY_HOST"])
    grace = values["ROOKERY_SHUTDOWN_GRACE"]
    drain = min(2.0, grace * DRAIN_SHARE)
    engine = {field.name: values[engine_variable(field.name)] for field in msgspec.structs.fields(EngineSettings)}
    return Config(
        api=ApiSettings(**{field: values[name] for field, name in API_FIELDS.items()}, drain=drain),
        engine=EngineSettings(**engine | {"shutdown_grace": grace - drain}),
        data_dir=Path(values["ROOKERY_DATA_DIR"]).expanduser(),
        database_url=values["DATABASE_URL"],
        secret_key=values["ROOKERY_SECRET_KEY"],
        media=MediaConfig(
            place=values["ROOKERY_MEDIA"] or str(Path(values["ROOKERY_DATA_DIR"]).expanduser() / "media"),
            endpoint=values["ROOKERY_S3_ENDPOINT"],
            region=values["ROOKERY_S3_REGION"],
            access_key=values["ROOKERY_S3_ACCESS_KEY"],
            secret_key=values["ROOKERY_S3_SECRET_KEY"],
        ),
        wait=values["ROOKERY_WAIT"],
        telegram_api_url=values["ROOKERY_TELEGRAM_API_URL"],
        telegram_poll_timeout=values["ROOKERY_TELEGRAM_POLL_TIMEOUT"],
        whatsapp_sessions_per_worker=values["ROOKERY_WHATSAPP_SESSIONS_PER_WORKER"],
        whatsapp_qr_rounds=values["ROOKERY_WHATSAPP_QR_ROUNDS"],
        whatsapp_worker=values["ROOKERY_WHATSAPP_WORKER"],
        log_level=values["LOG_LEVEL"],
        log_format=values["LOG_FORMAT"],
    )


def _upper_case_level(given: dict[str, Any]) -> dict[str, Any]:
    """`LOG_LEVEL=debug` is as good as `DEBUG`."""
    level = given.get("LOG_LEVEL", os.environ.get("LOG_LEVEL"))
    return given | {"LOG_LEVEL": level.upper()} if level else given


def _explain(error: ValidationError) -> list[str]:
    lines = []
    for name in dict.fromkeys(str(item["loc"][0]) for item in error.errors()):
        row = BY_NAME[name]
        value = next(item["input"] for item in error.errors() if item["loc"][0] == name)
        shown = "its value" if row.secret else repr(value)
        lines.append(f"{name}: {shown} cannot be used; {row.right} is needed")
    return lines


def _contradictions(values: Mapping[str, Any]) -> list[str]:
    lines = []
    host = values["ROOKERY_HOST"]
    if not is_loopback(host) and values["ROOKERY_API_KEY"] is None:
        lines.append(
            f"ROOKERY_API_KEY: a key is needed to listen on {host}, which others can reach; "
            f"set one, or ROOKERY_HOST=127.0.0.1"
        )
    if values["DATABASE_URL"] and not values["ROOKERY_SECRET_KEY"]:
        lines.append("ROOKERY_SECRET_KEY: a key is needed with PostgreSQL, the same for every instance")
    if (values["ROOKERY_MEDIA"] or "").startswith(S3):
        lines += [
            f"{name}: needed for {values['ROOKERY_MEDIA']}"
            for name in ("ROOKERY_S3_ACCESS_KEY", "ROOKERY_S3_SECRET_KEY")
            if values[name] is None
        ]
    try:
        kinds_of(values["ROOKERY_MEDIA_FETCH"])
    except InvalidInput as error:
        lines.append(str(error).replace("media_fetch", "ROOKERY_MEDIA_FETCH", 1))
    warning, critical = values["ROOKERY_MEMORY_WARNING"], values["ROOKERY_MEMORY_CRITICAL"]
    if warning > critical:
        lines.append(
            f"ROOKERY_MEMORY_WARNING: {warning:g} cannot be used; no more than "
            f"ROOKERY_MEMORY_CRITICAL ({critical:g}) is needed"
        )
    try:
        Path(values["ROOKERY_DATA_DIR"]).expanduser()
    except RuntimeError:
        lines.append(
            f"ROOKERY_DATA_DIR: {values['ROOKERY_DATA_DIR']!r} cannot be used; a directory is needed, and after ~ a user of "
            "this machine"
        )
    needed = values["ROOKERY_LEASE_RENEW_INTERVAL"] + values["ROOKERY_LEASE_MARGIN"]
    if needed >= values["ROOKERY_LEASE_TTL"]:
        lines.append(
            f"ROOKERY_LEASE_TTL: {values['ROOKERY_LEASE_TTL']:g} cannot be used; more than "
            f"ROOKERY_LEASE_RENEW_INTERVAL and ROOKERY_LEASE_MARGIN together ({needed:g}) is needed"
        )
    return lines


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """A sentence for each `ROOKERY_...` variable that nothing reads: most likely a slip of the pen."""
    lines = []
    known = BY_NAME.keys() | CLIENT_VARIABLES | WORKER_VARIABLES
    for name in sorted(environment):
        if name.startswith("ROOKERY_") and name not in known:
            close = difflib.get_close_matches(name, BY_NAME, n=1)
            lines.append(f"{name} is not a setting" + (f"; {close[0]} is" if close else ""))
    return lines
