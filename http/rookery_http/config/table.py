"""Every environment variable of `rookery serve`: one table, from which the settings are read and the README's list is made.

Variables of the engine are generated from `EngineSettings`; only their meanings are written here.
"""

from __future__ import annotations

import types
from typing import get_type_hints

import msgspec

from rookery import EngineSettings

from .backend_variables import PLATFORMS, STORAGE
from .engine_variables import LEAST, MEANINGS, SHOWN_DEFAULTS, UNITS
from .server_variables import API, LOGGING
from .variable import Variable, count, seconds, share

FIXED_NAMES = {
    "max_concurrent_sessions": "MAX_CONCURRENT_SESSIONS",
    "auto_cleanup_on_logout": "AUTO_CLEANUP_ON_LOGOUT",
}
"""Names that existed before there was a prefix."""

CLIENT_VARIABLES = frozenset({"ROOKERY_URL"})
"""Read by the commands that talk to a running server."""

WORKER_VARIABLES = frozenset({"ROOKERY_SIMULATOR_NOISE_KEY"})
"""Only passed on: read by the worker of a simulator."""


def engine_variable(field: str) -> str:
    """The variable that sets a field of `EngineSettings`."""
    return FIXED_NAMES.get(field, f"ROOKERY_{field.upper()}")


def _engine() -> list[Variable]:
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
        if unit == "share":
            shape, right = share(), "a number above 0, 1 at most"
        elif unit not in ("s", "count"):
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


TABLE: tuple[Variable, ...] = (*API, *STORAGE, *PLATFORMS, *LOGGING, *_engine())
BY_NAME = {row.name: row for row in TABLE}


def markdown() -> str:
    """The table of all settings, for the README. A test compares the two."""
    lines = ["| variable | default | unit | meaning |", "|---|---|---|---|"]
    for row in TABLE:
        default = row.default_text if row.shown_default or row.default is None else f"`{row.default_text}`"
        lines.append(f"| `{row.name}` | {default} | {row.unit} | {row.meaning} |")
    return "\n".join(lines) + "\n"
