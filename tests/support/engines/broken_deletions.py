"""Lets the deletion of one event fail in a SQLite database, and with it the whole piece that it belongs to."""

from __future__ import annotations

from typing import Any


async def break_deletion(store: Any, *, key: str) -> None:
    trigger = (
        f"CREATE TRIGGER broken BEFORE DELETE ON events WHEN OLD.key = '{key}' "
        "BEGIN SELECT RAISE(ABORT, 'broken by the test'); END"
    )
    await store._write(lambda database: database.connection.execute(trigger) and None)


async def mend_deletion(store: Any) -> None:
    await store._write(lambda database: database.connection.execute("DROP TRIGGER broken") and None)
