"""A directory of people and groups for platforms in memory: the answers of the API's own examples."""

from __future__ import annotations

from typing import Any

import msgspec

from rookery.model import directory as d
from rookery_http.description.examples import directory as examples

NOW = 1_700_000_000.0


def answer(question: d.Question) -> Any:
    """Of the type that `ANSWERS` names."""
    group = msgspec.convert(examples.GROUP | {"created_at": NOW}, d.Group)
    person = msgspec.convert(examples.BOB, d.ContactEntry)
    member = msgspec.convert(examples.MEMBER, d.Participant)
    channel = msgspec.convert(examples.CHANNEL, d.Channel)
    by_kind: dict[Any, Any] = {
        d.Group: group,
        list[d.Group]: [group],
        d.ContactEntry: person,
        list[d.ContactEntry]: [person],
        list[d.Participant]: [member],
        d.Channel: channel,
        list[d.Channel]: [channel],
        d.Profile: msgspec.convert(examples.PROFILE, d.Profile),
        d.Picture | None: msgspec.convert(examples.PICTURE, d.Picture),
        list[str]: ["4915100000066@s.whatsapp.net"],
        str: examples.LINK["link"],
        None: None,
    }
    if isinstance(question, d.CheckNumbers):
        return [
            d.NumberCheck(phone=each, exists=False, chat=None, lid=None, checked_at=NOW) for each in question.phones
        ]
    return by_kind[d.ANSWERS[type(question)]]
