"""The statement that reads a page of a session's sends by state, chat and time.

Each state that can match is read through an index in the order of numbers, at most a page of it, and the page is merged from
those: its cost does not grow with the sends of the session, however rare a state is.
"""

from __future__ import annotations

from typing import Any

from ....model.message import MessageQuery
from ...rows.messages import MESSAGE_COLUMNS
from .order import APART

# The states that there are, each found with one step in the index: a newer version may have written others.
_STATES = """
    WITH RECURSIVE w AS (
        SELECT (SELECT min(state) FROM rookery.messages WHERE {those}) AS state
        UNION ALL
        SELECT (SELECT min(state) FROM rookery.messages WHERE {those} AND state > w.state) FROM w WHERE w.state IS NOT NULL
    ) """


def page_statement(query: MessageQuery) -> tuple[str, list[Any]]:
    """The statement and its values. An empty row for a session without such sends, and none for an unknown session."""
    values: list[Any] = [query.session, 2**63 - 1 if query.before is None else query.before, query.limit]

    def place(value: object) -> str:
        values.append(value)
        return f"${len(values)}"

    chat, where = "NULL", ["m.uid = s.uid", "m.state = w.state", "m.number < $2"]
    those = "uid = (SELECT uid FROM rookery.sessions WHERE id = $1)"
    if query.chat is not None:
        chat = place(query.chat)
        where.append(f"m.recipient = {chat}")
        those += f" AND recipient = {chat}"
    common, states = _STATES.format(those=those), "w"
    if query.states is not None:
        common, states = "", f"unnest({place(list(dict.fromkeys(query.states)))}::text[]) AS w (state)"
    for moment, sign, further in ((query.since, ">=", "-"), (query.until, "<", "+")):
        if moment is not None:
            at = place(moment)
            where.append(f"m.created_at {sign} {at}")
            bound = f"rookery.first_send_1(s.uid, w.state, {chat}, {at} {further} (SELECT {APART}))"
            where.append(f"m.number {sign} (SELECT {bound})")
    each = f"SELECT m.* FROM rookery.messages AS m WHERE {' AND '.join(where)} ORDER BY m.number DESC LIMIT $3"  # noqa: S608
    columns = ", ".join(f"p.{column}" for column in f"{MESSAGE_COLUMNS}, number".split(", "))
    return (
        f"{common}SELECT {columns} FROM rookery.sessions AS s LEFT JOIN LATERAL ("  # noqa: S608
        f"SELECT m.* FROM {states}, LATERAL ({each}) AS m ORDER BY m.number DESC LIMIT $3"
        ") AS p ON true WHERE s.id = $1 ORDER BY p.number DESC",
        values,
    )
