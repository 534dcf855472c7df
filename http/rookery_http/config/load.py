"""Reads settings from the environment and checks them: one line per mistake names the variable and the right form."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec

from rookery import EngineSettings
from rookery.background.media_fetcher import kinds_of
from rookery.errors import InvalidInput
from rookery.runtime.trust import tls_context
from rookery.store.open import check_postgres_url
from rookery_telegram.bot_api.proxy import check_proxy

from .origins import origins_of
from .settings import ApiSettings, LogSettings, PlatformSettings, is_loopback
from .storage import S3, StorageSettings
from .table import BY_NAME, CLIENT_VARIABLES, GROUPS, TABLE, WORKER_VARIABLES

AUTO = "auto"
LEAST_KEY = 16
"""Minimum length in characters of a key that protects something."""
LEAST_SIGNS = 6
"""Minimum number of different characters in such a key."""
DRAIN_SHARE = 0.25
"""Share of the shutdown's grace period that requests under way may take; the engine gets the rest."""


class ConfigurationError(Exception):
    """`lines` has one sentence for each mistake."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """All settings of `rookery serve`."""

    api: ApiSettings
    engine: EngineSettings
    storage: StorageSettings
    platforms: PlatformSettings
    logs: LogSettings

    @property
    def secrets(self) -> list[str]:
        """Texts that no log line and no answer may hold."""
        storage = self.storage
        found = [self.api.key or "", storage.s3_secret_key or "", *(storage.secret_key or "").split(",")]
        for address in (storage.database_url, self.platforms.telegram_proxy):
            if address is not None and (password := urlsplit(address).password):
                found += [password, unquote(password)]
        return found


def load(**overrides: Any) -> Config:
    """Settings from the environment; `overrides` are variables by name that win over it, None meaning not given.

    Raises:
        ConfigurationError: with a line for every mistake.
    """
    given = {name: value for name, value in os.environ.items() if name in BY_NAME and value}
    given |= {name: value for name, value in overrides.items() if value is not None}
    if level := given.get("LOG_LEVEL"):
        given["LOG_LEVEL"] = level.upper()
    values: dict[str, Any] = {}
    lines = []
    for row in TABLE:
        values[row.name] = row.default
        if row.name in given:
            try:
                values[row.name] = row.read(given[row.name])
            except ValueError:
                shown = "its value" if row.secret or _may_hide_a_password(given[row.name]) else repr(given[row.name])
                lines.append(f"{row.name}: {shown} cannot be used; {row.right} is needed")
    if values["ROOKERY_HOST"] == AUTO:
        values["ROOKERY_HOST"] = "127.0.0.1" if values["ROOKERY_API_KEY"] is None else "0.0.0.0"  # noqa: S104
    if lines := lines or _contradictions(values):
        raise ConfigurationError(lines)
    if "ROOKERY_WEBHOOK_ALLOW_PRIVATE" not in given:
        # Callers on other machines must not use this server to reach addresses that only it can reach.
        values["ROOKERY_WEBHOOK_ALLOW_PRIVATE"] = is_loopback(values["ROOKERY_HOST"])
    fields = {group: {row.field: values[row.name] for row in rows} for group, rows in GROUPS.items()}
    grace = values["ROOKERY_SHUTDOWN_GRACE"]
    drain = min(2.0, grace * DRAIN_SHARE)
    return Config(
        api=ApiSettings(**fields["API"], drain=drain),
        engine=EngineSettings(**fields["Engine"] | {"shutdown_grace": grace - drain}),
        storage=StorageSettings(**fields["Storage"]),
        platforms=PlatformSettings(**fields["Platforms"]),
        logs=LogSettings(**fields["Logging"]),
    )


def _may_hide_a_password(value: object) -> bool:
    """True for an address with a user or a query, and for text that may have been meant as one."""
    return isinstance(value, str) and ("@" in value or ("://" in value and "?" in value))


def weaknesses(api_key: str | None, secret_key: str | None) -> list[str]:
    """A sentence for each key that can be guessed. Of several secret keys only the newest is checked: the others are
    being phased out."""
    lines = []
    for name, key in (
        ("ROOKERY_API_KEY", api_key),
        ("ROOKERY_SECRET_KEY", (secret_key or "").partition(",")[0].strip()),
    ):
        if key and (len(key) < LEAST_KEY or len(set(key)) < LEAST_SIGNS):
            lines.append(
                f"{name}: it can be guessed; at least {LEAST_KEY} characters, {LEAST_SIGNS} of them different, are needed: "
                "`rookery keys generate-secret` makes one"
            )
    return lines


def _contradictions(values: Mapping[str, Any]) -> list[str]:
    lines = []
    host = values["ROOKERY_HOST"]
    if not is_loopback(host) and values["ROOKERY_API_KEY"] is None:
        lines.append(
            f"ROOKERY_API_KEY: a key is needed to listen on {host}, which others can reach; "
            f"set one, or ROOKERY_HOST=127.0.0.1"
        )
    if values["ROOKERY_API_KEY"] is None and "*" in origins_of(values["ROOKERY_CORS_ORIGINS"]):
        lines.append(
            "ROOKERY_CORS_ORIGINS: * cannot be used without ROOKERY_API_KEY, or any web page could command this server; name "
            "the origins, or set a key"
        )
    if not is_loopback(host):
        lines += weaknesses(values["ROOKERY_API_KEY"], values["ROOKERY_SECRET_KEY"])
    if values["DATABASE_URL"] and not values["ROOKERY_SECRET_KEY"]:
        lines.append("ROOKERY_SECRET_KEY: a key is needed with PostgreSQL, the same for every instance")
    if values["ROOKERY_CA_BUNDLE"]:
        try:
            tls_context(values["ROOKERY_CA_BUNDLE"])
        except InvalidInput as error:
            lines.append(str(error).replace("ca_bundle", "ROOKERY_CA_BUNDLE", 1))
    if values["DATABASE_URL"]:
        try:
            check_postgres_url(values["DATABASE_URL"])
        except InvalidInput as error:
            lines.append(f"DATABASE_URL: {error}")
    if (proxy := values["ROOKERY_TELEGRAM_PROXY"]) is not None:
        try:
            check_proxy(proxy, "ROOKERY_TELEGRAM_PROXY")
        except InvalidInput as error:
            lines.append(str(error))
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
    if values["ROOKERY_BODY_MEMORY"] < values["ROOKERY_MAX_BODY"]:
        lines.append(
            f"ROOKERY_BODY_MEMORY: {values['ROOKERY_BODY_MEMORY']} cannot be used; no less than ROOKERY_MAX_BODY "
            f"({values['ROOKERY_MAX_BODY']}) is needed"
        )
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
    """A sentence for each `ROOKERY_...` variable that nothing reads: most likely a typo."""
    lines = []
    known = BY_NAME.keys() | CLIENT_VARIABLES | WORKER_VARIABLES
    for name in sorted(environment):
        if name.startswith("ROOKERY_") and name not in known:
            close = difflib.get_close_matches(name, BY_NAME, n=1)
            lines.append(f"{name} is not a setting" + (f"; {close[0]} is" if close else ""))
    return lines
