"""Prints the output of commands: JSON for programs, tables for people, and no control codes.

Names and messages come from strangers. Control characters in them are shown as escapes, never sent to the terminal. A
pipe gets plain lines, one for each row, however long; a terminal too narrow for the table gets one field per line.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any

Column = tuple[str, Callable[[dict[str, Any]], object]]

LEAST_WIDTH = 14
"""Minimum width of a table's column, if its text is that long."""
GAP = 2
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def printable(value: object) -> str:
    """One line of text without characters that move the cursor or change the writing direction."""
    text = "" if value is None else value if isinstance(value, str) else str(value)
    text = text.replace("\r\n", " ").replace("\n", " ").replace("\t", " ")
    return _CONTROL.sub(lambda found: f"\\x{ord(found.group()):02x}", text).encode(errors="replace").decode()


def print_json(value: Any) -> None:
    """Print a document for programs."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def print_line(text: object) -> None:
    """Print a line for people."""
    sys.stdout.write(printable(text) + "\n")


def print_table(rows: Sequence[dict[str, Any]], columns: Sequence[Column], *, empty: str) -> None:
    """Print a table for people, or `empty` if there are no rows."""
    if not rows:
        if empty:
            print_line(empty)
        return
    titles = [title for title, _ in columns]
    cells = [[printable(of(row)) for _, of in columns] for row in rows]
    widths = [max(map(len, column)) for column in zip(titles, *cells, strict=True)]
    if not sys.stdout.isatty():
        for line in [titles, *cells]:
            padded = "".join(cell.ljust(width + GAP) for cell, width in zip(line, widths, strict=True))
            sys.stdout.write(padded.rstrip() + "\n")
        return
    from rich.console import Console

    console = Console(highlight=False)  # obeys NO_COLOR and the terminal's width
    if sum(min(width, LEAST_WIDTH) + GAP for width in widths) - GAP > console.width:
        _print_fields(titles, cells)
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in titles:
        table.add_column(title, overflow="fold")
    for line in cells:
        table.add_row(*map(Text, line))
    console.print(table)


def print_fields(document: dict[str, Any]) -> None:
    """Print one object for people: a line for each field that is not empty."""
    rows = [{"name": name, "value": value} for name, value in document.items() if value not in (None, {}, [])]
    print_table(rows, [("field", lambda row: row["name"]), ("value", lambda row: _value(row["value"]))], empty="")


def _value(value: object) -> object:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list | bool) else value


def _print_fields(titles: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    for position, line in enumerate(cells):
        if position:
            sys.stdout.write("\n")
        for title, cell in zip(titles, line, strict=True):
            if cell:
                sys.stdout.write(f"{title}: {cell}\n" if title else f"{cell}\n")


def moment(text: str | None) -> str | None:
    """A time of the API in local time."""
    if text is None:
        return None
    from datetime import datetime

    return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def excerpt(content: dict[str, Any], most: int = 60) -> str:
    """The first words of a message, or its most telling field."""
    for name in ("text", "caption", "question", "emoji", "name", "filename", "href", "url", "message_id", "method"):
        if isinstance(value := content.get(name), str) and value:
            words = " ".join(value.split())
            return words if len(words) <= most else words[: most - 1] + "…"
    return ""
