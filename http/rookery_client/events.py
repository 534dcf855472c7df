"""An event of the log, as webhooks, streams and pages of the log deliver it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Event:
    """Something that a platform or Rookery itself reported.

    `id` increases within one log and is the cursor for `after`. `body` has the normalised fields of the type, `raw` the
    platform's own document. `chat` and `sender` are the platform's names as text.
    """

    id: int
    session: str
    platform: str
    type: str
    key: str
    time: datetime
    chat: str | None
    sender: str | None
    body: Mapping[str, Any] = field(repr=False)
    raw: Any = field(repr=False, default=None)

    @property
    def text(self) -> str | None:
        """The text of a message, or None."""
        text = self.body.get("text")
        return text if isinstance(text, str) else None

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Event:
        """Make an event from JSON; see also `typed_events.event_of`. Raises ValueError if it is not an event."""
        try:
            return cls(
                id=document["id"],
                session=document["session"],
                platform=document["platform"],
                type=document["type"],
                key=document["key"],
                time=datetime.fromisoformat(document["time"].replace("Z", "+00:00")),
                chat=document["chat"],
                sender=document["sender"],
                body=document["body"],
                raw=document.get("raw"),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not an event: {error}") from None
