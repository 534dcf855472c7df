"""`rookery media ...`"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from .client import AsJson, Client, ClientError, Key, Url, given, path_of
from .output import Column, moment, print_fields, print_json, print_line, print_table

app = typer.Typer(help="Files to send, and files that were received.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(help="The file's id.", show_default=False)]

COLUMNS: list[Column] = [
    ("id", lambda row: row["id"]),
    ("type", lambda row: row["content_type"]),
    ("bytes", lambda row: row["size"]),
    ("name", lambda row: row["filename"]),
    ("session", lambda row: row["session"]),
    ("state", lambda row: row["state"]),
    ("error", lambda row: row["error"]),
    ("expires", lambda row: moment(row["expires_at"])),
]


@app.command()
def upload(
    file: Annotated[Path, typer.Argument(help="The file.", show_default=False)],
    type: Annotated[str | None, typer.Option(help="Its content type; guessed from the name otherwise.")] = None,
    session: Annotated[str | None, typer.Option(help="The session that it is for.")] = None,
    as_json: AsJson = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Upload a file; its id is what a message names as `media`."""
    import mimetypes

    kind = type or mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    params = {"filename": file.name} | ({"session": session} if session else {})
    try:
        size = file.stat().st_size
        with file.open("rb") as opened:
            stored = Client(url, key).upload(
                "/v1/media", opened, size=size, params=params, headers={"Content-Type": kind}
            )
    except OSError as error:
        raise ClientError(f"{file}: {error.strerror}") from None
    print_json(stored) if as_json else print_fields(stored)


@app.command()
def download(
    id: Id,
    to: Annotated[Path | None, typer.Option("--to", "-o", help="Where to put it; standard output otherwise.")] = None,
    event: Annotated[
        bool, typer.Option("--event", help="The id is that of the event that the file came with.")
    ] = False,
    message: Annotated[
        bool, typer.Option("--message", help="The id is that of the send that the file came with.")
    ] = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Download a file."""
    noun = "events" if event else "messages" if message else None
    path = f"/v1/media/{path_of(id)}" if noun is None else f"/v1/{noun}/{path_of(id)}/media"
    pieces = Client(url, key).download(path)
    if to is None:
        for piece in pieces:
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
        return
    part = to.with_name(f"{to.name}.part")
    try:
        with part.open("wb") as opened:
            for piece in pieces:
                opened.write(piece)
        part.replace(to)
    except OSError as error:
        raise ClientError(f"{to}: {error.strerror}") from None
    finally:
        part.unlink(missing_ok=True)


@app.command()
def fetch(
    event: Annotated[str, typer.Argument(help="The id of the event that the file came with.", show_default=False)],
    as_json: AsJson = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Fetch the file of a received message from its platform, so that it is stored."""
    stored = Client(url, key).call("POST", f"/v1/events/{path_of(event)}/media")
    print_json(stored) if as_json else print_fields(stored)


@app.command("list")
def list_media(
    session: Annotated[str | None, typer.Option(help="Only those of this session.")] = None,
    origin: Annotated[str | None, typer.Option(help="uploaded or inbound.")] = None,
    state: Annotated[str | None, typer.Option(help="waiting, stored or failed.")] = None,
    before: Annotated[int | None, typer.Option(help="`next` of the page before, with --json.")] = None,
    limit: Annotated[int, typer.Option(help="How many.", min=1, max=500)] = 100,
    as_json: AsJson = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """List files, newest first."""
    query: dict[str, Any] = given(session=session, origin=origin, state=state, before=before, limit=limit)
    page = Client(url, key).call("GET", "/v1/media", params=query)
    if as_json:
        print_json(page)
    else:
        print_table(page["media"], COLUMNS, empty="There are no files; add one with `rookery media upload FILE`.")


@app.command()
def delete(id: Id, as_json: AsJson = False, url: Url = None, key: Key = None) -> None:
    """Delete a file."""
    deleted = Client(url, key).call("DELETE", f"/v1/media/{path_of(id)}")
    print_json(deleted) if as_json else print_line(f"{id}: deleted")
