"""What an example is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """Of one call. `bodies`: a name for each document to send. `answers`: by status, then by media type.

    An answer that is JSON may stand there without its media type.
    """

    bodies: Mapping[str, Any] = {}
    answers: Mapping[int, Any] = {}

    def answer(self, status: int, media_type: str) -> Any:
        """The example of one answer; None when there is none, as for a picture."""
        found = self.answers.get(status)
        if isinstance(found, ByMediaType):
            return found.forms.get(media_type)
        return found if media_type == "application/json" else None


class ByMediaType(msgspec.Struct, frozen=True):
    """An answer with several forms, or one that is not JSON."""

    forms: Mapping[str, Any]
