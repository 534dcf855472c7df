"""Pages of a session's sends by state, chat and time, without looking through the sends between the matching ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from sqlite3 import Connection

from ....model.message import MessageQuery, MessageState
from ..database.connection import OUT_OF_ORDER
from ..database.numbered import Place, Span, each, merged
from .conditions import FINISHED, UNDER_WAY, UNUSUAL

_STATES = each("state", "messages INDEXED BY messages_finished", f"uid = ?1 AND {FINISHED}")


def page_numbers(connection: Connection, uid: int, query: MessageQuery) -> list[int]:
    """The numbers of the sends that `MessageQuery` describes, newest first."""
    span = None
    if query.since is not None or query.until is not None:
        steps = [row[0] for row in connection.execute("SELECT number FROM send_steps ORDER BY number")]
        span = Span("created_at", query.since, query.until, OUT_OF_ORDER, steps)
    states = None if query.states is None else list(dict.fromkeys(state.value for state in query.states))
    if query.states is None and query.chat is None:
        # A newer version may have written states that are not known here.
        states = [*_WAITING, *(row[0] for row in connection.execute(_STATES, (uid,)))]
    ways = _ways(uid, query.chat, states)
    return merged(connection, ways, below=query.before, limit=query.limit, span=span)


_WAITING = (MessageState.QUEUED.value, MessageState.SENDING.value, MessageState.SCHEDULED.value)


def _ways(uid: int, chat: str | None, states: Sequence[str] | None) -> Iterator[Sequence[Place]]:
    """`states` None: all of them."""

    def place(index: str, condition: str, *values: object) -> Place:
        return Place("messages", "number", index, f"uid = ? AND {condition}", (uid, *values))

    of_chat = () if chat is None else (place("messages_chat", "recipient = ?", chat),)
    if states is None:
        yield of_chat
        return
    for state in states:
        if state == MessageState.SCHEDULED:
            yield (*of_chat, place("messages_waiting", "state = 'scheduled'"))
        elif state in _WAITING:
            yield (*of_chat, place("messages_under_way", f"state = ? AND {UNDER_WAY}", state))
        elif chat is None or state == MessageState.SENT:
            yield (*of_chat, place("messages_finished", f"state = ? AND {FINISHED}", state))
        else:
            yield (place("messages_chat_unusual", f"recipient = ? AND state = ? AND {UNUSUAL}", chat, state),)
