"""What is deleted with a session or a webhook, in pieces: a foreign key would delete all of it in one long transaction."""

from __future__ import annotations

from ..pieces import in_pieces
from .base import PostgresBase


def _piece(table: str, condition: str) -> str:
    return (
        f"WITH gone AS (DELETE FROM rookery.{table} WHERE ctid = ANY (ARRAY("  # noqa: S608
        f"SELECT ctid FROM rookery.{table} WHERE {condition} LIMIT $2)) RETURNING 1) SELECT count(*) FROM gone"
    )


_OF_WEBHOOKS = ("deliveries", "dead_letters", "lanes")
_ITS_WEBHOOKS = "webhook IN (SELECT number FROM rookery.webhooks WHERE uid = $1)"
OF_SESSION = (
    # The view of chats locks a chat's number of unread messages before the chat; so the numbers go first.
    *(_piece(table, "uid = $1") for table in ("messages", "media", "chat_unread", "chats")),
    *(_piece(table, _ITS_WEBHOOKS) for table in _OF_WEBHOOKS),
)
OF_WEBHOOK = tuple(_piece(table, "webhook = $1") for table in _OF_WEBHOOKS)


class PostgresDependants(PostgresBase):
    """Deletes rows that refer to another one."""

    async def _delete_parts(self, statements: tuple[str, ...], number: int, disable: str) -> None:
        """Until little is left, which goes with the row itself. Meanwhile `disable` keeps more from coming."""

        async def part(limit: int) -> int:
            gone = await self._delete_part(statements, number, limit)
            if gone >= limit:
                await self._db.row(disable, number)
            return gone

        await in_pieces(part, rest=False)

    async def _delete_part(self, statements: tuple[str, ...], number: int, limit: int) -> int:
        """At most `limit` rows; less when that is nearly all of them."""
        gone = 0
        for statement in statements:
            if gone < limit:
                gone += int(await self._value(statement, number, limit - gone))
        return gone
