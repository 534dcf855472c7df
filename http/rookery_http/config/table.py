"""Every environment variable of `rookery serve`, made from the declarations of the settings."""

from __future__ import annotations

from rookery import EngineSettings

from .settings import ApiSettings, LogSettings, PlatformSettings
from .storage import StorageSettings
from .variable import Variable, variables_of

ENGINE_NAMES = {
    "max_concurrent_sessions": "MAX_CONCURRENT_SESSIONS",
    "auto_cleanup_on_logout": "AUTO_CLEANUP_ON_LOGOUT",
}
"""Names from before the prefix was introduced."""

CLIENT_VARIABLES = frozenset({"ROOKERY_URL"})
"""Read by the commands that talk to a running server."""

WORKER_VARIABLES = frozenset({"ROOKERY_SIMULATOR_NOISE_KEY"})
"""Only passed on: a simulator's worker reads them."""

GROUPS: dict[str, tuple[Variable, ...]] = {
    "API": tuple(variables_of(ApiSettings, "API", {"key": "ROOKERY_API_KEY"})),
    "Storage": tuple(variables_of(StorageSettings, "Storage", {"database_url": "DATABASE_URL"})),
    "Platforms": tuple(variables_of(PlatformSettings, "Platforms")),
    "Logging": tuple(variables_of(LogSettings, "Logging", {"level": "LOG_LEVEL", "format": "LOG_FORMAT"})),
    "Engine": tuple(variables_of(EngineSettings, "Engine", ENGINE_NAMES)),
}
TABLE = tuple(row for rows in GROUPS.values() for row in rows)
BY_NAME = {row.name: row for row in TABLE}
ENGINE_VARIABLES = {row.field: row.name for row in GROUPS["Engine"]} | {"secret_key": "ROOKERY_SECRET_KEY"}
"""The variable of each setting of the engine, and of the other arguments of `open_engine` that its messages name."""

DOCUMENT = """# Settings

`rookery serve` reads these environment variables; an empty one counts as absent. `none` switches off what may be none. A
program that embeds the engine gives `EngineSettings(...)` with the fields of the last table instead. A value out of bounds
ends the start with one line that names the variable and says what would be right.

This page is made by `rookery settings` from the declarations in the code (`engine/rookery/settings.py`,
`http/rookery_http/config`); a test compares the two.
"""


def markdown() -> str:
    """The text of `docs/settings.md`."""
    parts = [DOCUMENT]
    for group, rows in GROUPS.items():
        field = group == "Engine"
        parts.append(f"## {group}\n")
        parts.append(f"| variable |{' field |' if field else ''} default | unit | needed | meaning |")
        parts.append(f"|---|{'---|' if field else ''}---|---|---|---|")
        for row in rows:
            default = row.default_text if row.shown_default or row.default is None else f"`{row.default_text}`"
            name = f"| `{row.name}` |" + (f" `{row.field}` |" if field else "")
            parts.append(f"{name} {default} | {row.unit} | {row.right.removesuffix(',')} | {row.meaning} |")
        parts.append("")
    return "\n".join(parts).rstrip() + "\n"
