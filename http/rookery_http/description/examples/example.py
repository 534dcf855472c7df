"""The form of an example."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """Examples of one call. `bodies`: documents to send, by name. `answers`: by status, then by media type.

    A JSON answer may omit its media type.
    """

    bodies: Mapping[str, Any] = {}
    answers: Mapping[int, Any] = {}

    def answer(self, status: int, media_type: str) -> Any:
        """The example of one answer; None for an answer without one, such as a picture."""
        found = self.answers.get(status)
        if isinstance(found, ByMediaType):
            return found.forms.get(media_type)
        return found if media_type == "application/json" else None


class ByMediaType(msgspec.Struct, frozen=True):
    """An answer with several forms, or one that is not JSON."""

    forms: Mapping[str, Any]
