"""The types of events that the log can contain."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from ..assembly import EngineParts
from ..errors import InvalidInput
from ..model.event_type import EventType
from ..model.subscription import EVERYTHING, is_pattern
from ..provider.capabilities import EventDescribing
from .validation import check_types


class CatalogueFeatures(EngineParts):
    """Combines the types that the engine writes with those that its providers describe."""

    def event_types(self) -> Sequence[EventType]:
        """Every type that the engine and its providers describe; a name may appear once for each platform."""
        return self._event_types

    def _check_event_names(self, names: Iterable[str]) -> None:
        """Raises InvalidInput that suggests the name that was probably meant."""
        complete = all(isinstance(one, EventDescribing) for one in self._providers.values())
        check_names(names, self.event_types(), complete=complete)

    def _checked_types(self, value: object) -> tuple[str, ...] | None:
        """Check the types to deliver: each must be a known type or a pattern. Raises InvalidInput."""
        names = check_types(value)
        self._check_event_names(names or ())
        return names


def check_names(names: Iterable[str], known: Iterable[EventType], *, complete: bool, field: str = "events") -> None:
    """Check that every name is a type of the catalogue or a pattern that matches some of them.

    `complete`: the catalogue holds every possible type; otherwise only a name that looks like a typo of a known one is
    refused. Raises InvalidInput that suggests the name that was probably meant.
    """
    types = {one.name for one in known}
    stems = types | {".".join(name.split(".")[:count]) for name in types for count in range(1, name.count(".") + 1)}
    for name in names:
        if name == EVERYTHING:
            continue
        stem, among = (name.removesuffix(".*"), stems) if is_pattern(name) else (name, types)
        if stem in among:
            continue
        close = get_close_matches(stem, sorted(among), n=1, cutoff=0.6 if complete else 0.8)
        if not close and not complete:
            continue
        meant = f": did you mean {close[0] + name[len(stem) :]!r}?" if close else ""
        raise InvalidInput(
            f"{field}: there is no event type {name!r}{meant or '; GET /v1/event-types lists them'}", field=field
        )
