"""Pages of a session's sends by state, chat and time, without looking through the sends between the matching ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from sqlite3 import Connection

from ....model.message import MessageQuery, MessageState
from ..database.numbered import Place, Span, merged

OUT_OF_ORDER = 5.0
"""Seconds by which the time of acceptance may run against the order of numbers: a send is numbered when it is stored, and it
waits for the database until then."""

_UNDER_WAY = "state IN ('queued', 'sending')"
_FINISHED = "state NOT IN ('queued', 'sending', 'scheduled')"


def page_numbers(connection: Connection, uid: int, query: MessageQuery) -> list[int]:
    """The numbers of the sends that `MessageQuery` describes, newest first."""
    span = None
    if query.since is not None or query.until is not None:
        span = Span("created_at", query.since, query.until, OUT_OF_ORDER)
    return merged(connection, _ways(uid, query), below=query.before, limit=query.limit, span=span)


def _ways(uid: int, query: MessageQuery) -> Iterator[Sequence[Place]]:
    def place(index: str, condition: str, *values: object) -> Place:
        return Place("messages", "number", index, f"uid = ? AND {condition}", (uid, *values))

    chat = () if query.chat is None else (place("messages_chat", "recipient = ?", query.chat),)
    if chat and query.states is None:
        yield chat
        return
    for state in reversed(MessageState) if query.states is None else dict.fromkeys(query.states):
        if state is MessageState.SCHEDULED:
            waiting = place("messages_waiting", "state = 'scheduled'")
        elif state.final:
            waiting = place("messages_finished", f"state = ? AND {_FINISHED}", state.value)
        else:
            waiting = place("messages_under_way", f"state = ? AND {_UNDER_WAY}", state.value)
        yield (*chat, waiting)
