"""`rookery chats`"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from .client import AsJson, Client, Key, Url, given, path_of
from .output import Column, excerpt, moment, print_json, print_line, print_table

CHATS: list[Column] = [
    ("chat", lambda row: row["chat"]),
    ("name", lambda row: row["name"]),
    ("kind", lambda row: row["kind"]),
    ("unread", lambda row: row["unread"] or ""),
    ("at", lambda row: moment(row["last_at"])),
    ("last", lambda row: _line(row["last"]) if row["last"] else ""),
]
MESSAGES: list[Column] = [
    ("at", lambda row: moment(row["time"])),
    ("", lambda row: "→" if row["direction"] == "out" else "←"),
    ("who", lambda row: row["sender_name"] or row["sender"] or ""),
    ("message", lambda row: _line(row)),
    ("state", lambda row: row["state"]),
    ("id", lambda row: row["message_id"]),
]


def chats(
    session: Annotated[str, typer.Argument(help="The session.", show_default=False)],
    chat: Annotated[str | None, typer.Argument(help="The chat to read; all are listed without it.")] = None,
    q: Annotated[
        str | None,
        typer.Option("--search", help="Only chats with this in their name or id, or only messages with this text."),
    ] = None,
    limit: Annotated[int, typer.Option(help="How many.", min=1)] = 50,
    erase: Annotated[bool, typer.Option("--erase", help="Remove everything that is stored of the chat.")] = False,
    keep: Annotated[
        float | None,
        typer.Option(help="Keep the chat's messages for so many days only; 0: as long as the others.", min=0),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """List the chats of a session, or read one of them: both directions, the oldest message first."""
    client = Client(url, key)
    path = f"/v1/sessions/{path_of(session)}/chats"
    if chat is None:
        if erase or keep is not None:
            raise typer.BadParameter("name the chat")
        pages = client.pages(path, "chats", given(q=q, limit=min(limit, 500)))
        rows = [row for row, _ in zip(pages, range(limit), strict=False)]
        print_json(rows) if as_json else print_table(rows, CHATS, empty="There are none.")
        return
    path = f"{path}/{path_of(chat)}"
    if erase:
        if not yes:
            typer.confirm(f"Erase everything that is stored of the chat {chat}?", abort=True)
        done = client.call("DELETE", path)
        text = f"{chat}: {done['events']} events, {done['messages']} sends and {done['files']} files removed"
        print_json(done) if as_json else print_line(text)
        return
    if keep is not None:
        kept = client.call("PATCH", path, json={"retention": keep * 86_400 or None})
        text = f"{chat}: kept for {keep:g} days" if keep else f"{chat}: kept as long as the others"
        print_json(kept) if as_json else print_line(text)
        return
    pages = client.pages(f"{path}/messages", "messages", given(q=q, limit=min(limit, 500)), cursor="before")
    rows = [row for row, _ in zip(pages, range(limit), strict=False)]
    print_json(rows) if as_json else print_table(rows[::-1], MESSAGES, empty="There are none.")


def _line(message: dict[str, Any]) -> str:
    """The text of a message, with its later changes."""
    if message["deleted_at"]:
        return "(deleted)"
    words = message["text"] or excerpt(message["content"] or {}) or f"({message['type']})"
    words = " ".join(words.split())
    marks = " (edited)" if message["edited_at"] else ""
    reactions = " ".join(each["emoji"] for each in message["reactions"])
    return f"{words if len(words) <= 100 else words[:99] + '…'}{marks}{'  ' + reactions if reactions else ''}"
