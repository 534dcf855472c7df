"""Numbered SQL migrations, one folder for each kind of database; each file is applied once, in one transaction."""

from __future__ import annotations

from importlib import resources
from typing import NamedTuple


class Migration(NamedTuple):
    """`0001_initial.sql` has version 1 and name `initial`."""

    version: int
    name: str
    sql: str


def load_migrations(dialect: str) -> list[Migration]:
    """Those of `dialect` ("sqlite", "postgres") in order."""
    folder = resources.files(__package__) / dialect
    found = []
    for file in folder.iterdir():
        if file.name.endswith(".sql"):
            number, _, name = file.name.removesuffix(".sql").partition("_")
            found.append(Migration(int(number), name, file.read_text(encoding="utf-8")))
    return sorted(found)
