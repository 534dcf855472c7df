"""Numbered SQL migrations, one folder for each kind of database; each file is applied once, in one transaction."""

from __future__ import annotations

import re
from importlib import resources
from typing import NamedTuple


class Migration(NamedTuple):
    """`0001_initial.sql` has version 1 and name `initial`.

    During a rolling update, a shared database may be newer than a program that uses it. A migration that makes the
    database unusable for older programs says so in its first line: `-- oldest: 5` means that a program must know at
    least version 5.
    """

    version: int
    name: str
    sql: str
    oldest: int


def load_migrations(dialect: str) -> list[Migration]:
    """The migrations of `dialect` ("sqlite", "postgres") in order."""
    folder = resources.files(__package__) / dialect
    found = []
    for file in folder.iterdir():
        if file.name.endswith(".sql"):
            number, _, name = file.name.removesuffix(".sql").partition("_")
            sql = file.read_text(encoding="utf-8")
            marked = re.match(r"-- oldest: (\d+)", sql)
            found.append(Migration(int(number), name, sql, int(marked.group(1)) if marked else 1))
    numbers = [migration.version for migration in found]
    assert len(set(numbers)) == len(numbers), f"two migrations of {dialect} have the same number: {sorted(numbers)}"
    return sorted(found)
