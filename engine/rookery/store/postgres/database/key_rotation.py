"""The secret key of a PostgreSQL database: its check when the store opens, and its change while several instances run."""

from __future__ import annotations

from ....log import get_logger
from ...secret_check import CANARY, SECRET_COLUMNS, check_canary
from ...secrets import SecretBox
from .pool import Connection, Database

_ALL_HAVE_IT = """
    SELECT coalesce(bool_and($1 = ANY (string_to_array(keys, ','))), true) FROM rookery.instances
    WHERE until >= clock_timestamp()"""

log = get_logger("SESSION")


async def check_key(database: Database, secrets: SecretBox, location: str) -> None:
    """Compare the key with the canary. With several keys, re-encrypt secrets that the newest did not encrypt, at once
    or when every live instance has the newest key (see `rotate`).

    Raises:
        SecretKeyError: the key does not fit; nothing was changed.
    """

    async def work(connection: Connection) -> None:
        await connection.execute(
            database.text("INSERT INTO rookery.meta (key, value) VALUES ('canary', $1) ON CONFLICT DO NOTHING"),
            secrets.encrypt(CANARY),
        )
        canary = await connection.fetchval(database.text("SELECT value FROM rookery.meta WHERE key = 'canary'"))
        check_canary(canary, location, secrets)
        # An instance that still puts the old key first may have written after the canary was renewed, so with several
        # keys every secret is checked.
        if secrets.is_current(canary) or await connection.fetchval(database.text(_ALL_HAVE_IT), secrets.names[0]):
            if secrets.rotating:
                await _rotate(connection, database, secrets)
        else:
            secrets.hold_back(canary)
            log.info("the secret key is changed as soon as every instance has the new one")

    await database.transaction(work)


async def rotate(database: Database, secrets: SecretBox) -> None:
    """Every instance has the newest key: use it for encryption from now on, and re-encrypt the stored secrets."""
    secrets.go_on()
    await database.transaction(lambda connection: _rotate(connection, database, secrets))
    log.info("every stored secret is encrypted with the newest key: the older ones may be removed")


async def _rotate(connection: Connection, database: Database, secrets: SecretBox) -> None:
    await connection.execute(
        database.text("UPDATE rookery.meta SET value = $1 WHERE key = 'canary'"), secrets.encrypt(CANARY)
    )
    for table, number, column in SECRET_COLUMNS:
        rows = await connection.fetch(
            database.text(
                f"SELECT {number}, {column} FROM rookery.{table} "  # noqa: S608 - names from `SECRET_COLUMNS`
                f"WHERE {column} <> '' ORDER BY {number} FOR NO KEY UPDATE"
            )
        )
        fresh = [(row, token) for token, row in secrets.renewed([tuple(row) for row in rows])]
        await connection.executemany(
            database.text(f"UPDATE rookery.{table} SET {column} = $2 WHERE {number} = $1"),  # noqa: S608
            fresh,
        )
