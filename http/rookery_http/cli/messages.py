"""`rookery send` and `rookery messages ...`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from .client import AsJson, Client, ClientError, Key, Url, document_of, given, list_of, path_of
from .output import Column, excerpt, moment, print_fields, print_json, print_line, print_table

app = typer.Typer(help="Sends: look at them, and take back what still waits.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(help="The send's id.", show_default=False)]
UNHAPPY = ("failed", "expired", "unknown", "cancelled")
LARGEST_FILE = 64 * 1024 * 1024
"""Maximum bytes read from a file; the server's own limit is ROOKERY_MAX_BODY."""

COLUMNS: list[Column] = [
    ("id", lambda row: row["id"]),
    ("session", lambda row: row["session"]),
    ("to", lambda row: row["to"]),
    ("type", lambda row: row["type"]),
    ("content", lambda row: excerpt(row["content"])),
    ("state", lambda row: row["state"]),
    ("at", lambda row: moment(row["send_at"] or row["created_at"])),
    ("message", lambda row: (row["receipt"] or {}).get("message_id")),
    ("error", lambda row: row["error"]),
]


def send(
    session: Annotated[str, typer.Argument(help="The session that sends.", show_default=False)],
    to: Annotated[str, typer.Argument(help="The chat.", show_default=False)],
    text: Annotated[str | None, typer.Argument(help="What to say; of a file its caption.", show_default=False)] = None,
    type: Annotated[
        str | None, typer.Option(help="text, image, video, audio, voice, document, sticker, typing and so on.")
    ] = None,
    file: Annotated[Path | None, typer.Option(help="A file to send; a document without --type.")] = None,
    file_url: Annotated[str | None, typer.Option(help="The address of a file to send instead.")] = None,
    media: Annotated[
        str | None, typer.Option(help="The id of a stored file to send instead (`rookery media`).")
    ] = None,
    content: Annotated[
        str | None, typer.Option(help="Any other message as the API takes it, in JSON; `-` reads standard input.")
    ] = None,
    reply_to: Annotated[str | None, typer.Option(help="The id of a message to answer.")] = None,
    at: Annotated[str | None, typer.Option(help="When, in UTC: 2026-01-31T12:00:00Z.")] = None,
    ttl: Annotated[float | None, typer.Option(help="Seconds after which it is not sent any more.")] = None,
    idempotency_key: Annotated[str | None, typer.Option(help="Repeating it does not send again.")] = None,
    wait: Annotated[float, typer.Option(help="Seconds to wait for the outcome.", min=0, max=60)] = 10,
    strict: Annotated[bool, typer.Option("--strict", help="Show only the problem when it was not sent.")] = False,
    as_json: AsJson = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Send a message and report the result. Fails when it was not sent."""
    body = _content(text, type, file, file_url, media) if content is None else document_of(content, "--content")
    message = Client(url, key).call(
        "POST",
        f"/v1/sessions/{path_of(session)}/messages",
        params={"wait": wait, **({"strict": True} if strict else {})},
        json={"to": to, **body, **given(reply_to=reply_to, send_at=at, ttl=ttl)},
        headers={"Idempotency-Key": idempotency_key} if idempotency_key else None,
    )
    if as_json:
        print_json(message)
    else:
        number = f" as {message['receipt']['message_id']}" if message["receipt"] else ""
        print_line(f"{message['id']}: {message['state']}{number}")
    if message["state"] in UNHAPPY:
        raise ClientError(message["error"] or message["state"])


def _content(
    text: str | None, type: str | None, file: Path | None, file_url: str | None, media: str | None
) -> dict[str, Any]:
    sources = len(given(file=file, file_url=file_url, media=media))
    if sources == 0:
        return given(type=type, text=text)
    if sources > 1:
        raise typer.BadParameter("give one of --file, --file-url and --media")
    body = given(type=type or "document", url=file_url, media=media, caption=text)
    if file is not None:
        body |= {"data": _base64(file), "filename": file.name}
    return body


def _base64(file: Path) -> str:
    from base64 import b64encode

    try:
        with file.open("rb") as opened:
            data = opened.read(LARGEST_FILE + 1)
    except OSError as error:
        raise ClientError(f"{file}: {error.strerror}") from None
    if len(data) > LARGEST_FILE:
        raise ClientError(f"{file}: larger than {LARGEST_FILE} bytes")
    return b64encode(data).decode()


app.command("send")(send)


@app.command()
def batch(
    session: Annotated[str, typer.Argument(help="The session that sends.", show_default=False)],
    messages: Annotated[
        str, typer.Argument(help="A JSON list of messages as the API takes them; `-` reads standard input.")
    ] = "-",
    as_json: AsJson = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Send up to 1,000 messages in one transaction. Fails when one of them was refused."""
    answers = Client(url, key).call(
        "POST",
        f"/v1/sessions/{path_of(session)}/messages/batch",
        json={"messages": list_of(messages, "MESSAGES")},
    )["messages"]
    refused = [each for each in answers if "id" not in each]
    if as_json:
        print_json(answers)
    else:
        for each in answers:
            print_line(f"{each['id']}: {each['state']}" if "id" in each else f"refused: {each['detail']}")
    if refused:
        raise ClientError(f"{len(refused)} of {len(answers)} messages were refused")


@app.command("list")
def list_messages(
    session: Annotated[str, typer.Argument(help="The session that sends.", show_default=False)],
    state: Annotated[str | None, typer.Option(help="Only in these states, separated by commas.")] = None,
    chat: Annotated[str | None, typer.Option(help="Only to this chat.")] = None,
    since: Annotated[str | None, typer.Option(help="Only those accepted from then on: 2026-01-31T12:00:00Z.")] = None,
    until: Annotated[str | None, typer.Option(help="Only those accepted before.")] = None,
    limit: Annotated[int, typer.Option(help="How many.", min=1)] = 100,
    as_json: AsJson = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """List a session's sends, newest first."""
    query = given(state=state, chat=chat, since=since, until=until, limit=min(limit, 500))
    pages = Client(url, key).pages(f"/v1/sessions/{path_of(session)}/messages", "messages", query, cursor="before")
    rows = [row for row, _ in zip(pages, range(limit), strict=False)]
    if as_json:
        print_json(rows)
    else:
        print_table(rows, COLUMNS, empty="There are none.")


@app.command()
def show(id: Id, as_json: AsJson = False, url: Url = None, key: Key = None) -> None:
    """Show the state of a send."""
    message = Client(url, key).call("GET", f"/v1/messages/{path_of(id)}")
    print_json(message) if as_json else print_fields(message)


@app.command()
def cancel(id: Id, as_json: AsJson = False, url: Url = None, key: Key = None) -> None:
    """Cancel a send that is still waiting."""
    message = Client(url, key).call("DELETE", f"/v1/messages/{path_of(id)}")
    print_json(message) if as_json else print_line(f"{message['id']}: {message['state']}")
