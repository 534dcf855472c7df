"""Prints the table of message kinds in `docs/whatsapp.md`: `python -m rookery_whatsapp.kinds_table`."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from .worker.events import kinds

HEAD = ("| field of `waE2E.Message` | event | `kind` |", "|---|---|---|")
OWN = {
    "protocolMessage": ("edited_message, deleted_message, service_message", "by its type"),
    "reactionMessage": ("reaction", ""),
    "pollUpdateMessage": ("poll_vote", ""),
    "secretEncryptedMessage": ("edited_message", "as the content inside"),
    "encReactionMessage": ("reaction", ""),
    "encCommentMessage": ("message", "comment"),
    "encEventResponseMessage": ("event_response", ""),
}


def rows() -> Iterator[str]:
    """One line for each field, sorted by name."""
    table = {name: ("message", kind) for name, (kind, _) in kinds.KINDS.items()}
    table |= {name: ("service_message", kind) for name, kind in kinds.SERVICE.items()}
    table |= OWN
    for name, said in kinds.WRAPPERS.items():
        table[name] = ("as the message inside", ", ".join(f"`{word}: true`" for word in said) or "nothing more")
    for name, (event, kind) in sorted(table.items(), key=lambda row: row[0].lower()):
        yield f"| `{name}` | {event} | {kind} |"


def table() -> str:
    """The whole table."""
    return "\n".join((*HEAD, *rows())) + "\n"


if __name__ == "__main__":
    sys.stdout.write(table())
