"""One environment variable of `rookery serve`, made from the declaration of a setting."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import msgspec

from rookery.declaring import declarations


class Variable(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table. `field` is the setting's name in its structure."""

    name: str
    field: str
    group: str
    kind: Any
    default: Any
    unit: str
    meaning: str
    right: str  # completes "... is needed"
    secret: bool = False
    shown_default: str | None = None
    check: Callable[[Any], object] | None = None

    @property
    def default_text(self) -> str:
        """The default in a form for people."""
        if self.shown_default is not None:
            return self.shown_default
        return variable_text(self.default)

    def read(self, given: Any) -> Any:
        """Convert a text, or a value of a command's option, to the setting's value. Raises ValueError."""
        if isinstance(given, str):
            given = given.strip()
            if given == "none" and type(None) in getattr(self.kind, "__args__", ()):
                return None
        value = msgspec.convert(given, self.kind, strict=False)  # ValidationError is a ValueError
        if self.check is not None and value is not None:
            self.check(value)
        return value


def variable_text(value: Any) -> str:
    """A setting's value as an operator would write it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}" if value < 1e6 else f"{value:.0f}"
    return str(value)


def variables_of(settings: type[msgspec.Struct], group: str, names: dict[str, str] | None = None) -> Iterator[Variable]:
    """The variables of a structure's declared fields, named ROOKERY_<FIELD> unless `names` has another name."""
    defaults = {field.name: field.default for field in msgspec.structs.fields(settings)}
    for field, (kind, declared) in declarations(settings).items():
        extra = declared.extra or {}
        yield Variable(
            name=(names or {}).get(field, f"ROOKERY_{field.upper()}"),
            field=field,
            group=group,
            kind=kind,
            default=defaults[field],
            unit=extra["unit"],
            meaning=declared.description or "",
            right=extra["right"],
            secret=extra.get("secret", False),
            shown_default=extra["shown_default"],
            check=extra.get("check"),
        )


def utf8_text(value: str) -> None:
    """Accepts text that is valid UTF-8; the environment may hold any bytes. Raises ValueError."""
    value.encode()


def http_address(value: str) -> None:
    """Accepts a server's address, with or without a path. Raises ValueError."""
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
        raise ValueError("not an HTTP address")
    if parts.username is not None or "?" in value or "#" in value or any(sign <= " " for sign in value):
        raise ValueError("more than an HTTP address")
