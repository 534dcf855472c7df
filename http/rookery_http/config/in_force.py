"""The settings in force on a running server, beside their defaults. For a secret, only whether it is set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from .load import Config
from .table import GROUPS
from .variable import Variable, variable_text


class SettingInForce(msgspec.Struct, frozen=True, kw_only=True):
    """One setting as text. `changed`: it differs from its default. A secret's `value` is `set` or `none`."""

    name: str
    group: str
    value: str
    default: str
    unit: str
    meaning: str
    changed: bool
    secret: bool


def groups_of(config: Config) -> dict[str, msgspec.Struct]:
    """The structure of each group of the table."""
    return {
        "API": config.api,
        "Storage": config.storage,
        "Platforms": config.platforms,
        "Logging": config.logs,
        "Engine": config.engine,
    }


def in_force(groups: Mapping[str, msgspec.Struct]) -> Iterator[SettingInForce]:
    """The settings of these structures, in the order of the table; a group that is absent is left out.

    `ROOKERY_SHUTDOWN_GRACE` is shown as it was given: the API's share of it is added to the engine's.
    """
    drain = getattr(groups.get("API"), "drain", 0.0)
    for group, rows in GROUPS.items():
        if (given := groups.get(group)) is None:
            continue
        for row in rows:
            value = getattr(given, row.field)
            if row.field == "shutdown_grace":
                value += drain
            yield _row(row, value)


def _row(row: Variable, value: Any) -> SettingInForce:
    changed = value != row.default
    if row.secret:
        text = "none" if value in (None, "") else "set"
    else:
        text = row.default_text if not changed else variable_text(value)
    return SettingInForce(
        name=row.name,
        group=row.group,
        value=text,
        default=row.default_text,
        unit=row.unit,
        meaning=row.meaning,
        changed=changed,
        secret=row.secret,
    )
