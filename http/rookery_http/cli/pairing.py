"""`rookery sessions qr`, `pair` and `pairing-code`: what a person needs to authorise a session, in a terminal."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from .client import AsJson, Client, ClientError, Key, Url, path_of
from .output import moment, print_json, print_line

Id = Annotated[str, typer.Argument(help="The session's id.", show_default=False)]
FORMS = {".png": "image/png", ".svg": "image/svg+xml", ".txt": "text/plain"}
LOOK_EVERY = 2.0
"""Seconds between two checks whether the code was scanned or has changed."""
STILL_DOWN = 2
"""Checks that may find the session down: it takes a moment to start."""


def qr(
    id: Id,
    save: Annotated[Path | None, typer.Option(help="Write it to this file: .png, .svg or .txt.")] = None,
    as_json: AsJson = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Show the QR code that has to be scanned now."""
    path = f"/v1/sessions/{path_of(id)}/qr"
    client = Client(url, key)
    if as_json:
        print_json(client.call("GET", path))
    elif save is None:
        sys.stdout.write(client.text(path, "text/plain").decode())
    elif save.suffix not in FORMS:
        raise typer.BadParameter(f"--save takes a name that ends with one of {', '.join(FORMS)}")
    else:
        try:
            save.write_bytes(client.text(path, FORMS[save.suffix]))
        except OSError as error:
            raise ClientError(f"{save}: {error.strerror}") from None
        print_line(f"written to {save}")


def pair(
    id: Id,
    seconds: Annotated[float, typer.Option(help="How long to go on.", min=0)] = 300,
    url: Url = None,
    key: Key = None,
) -> None:
    """Show QR codes as they change until one is scanned and the session is connected. Fails when that does not happen."""
    client = Client(url, key)
    path = f"/v1/sessions/{path_of(id)}"
    client.call("POST", f"{path}/start")
    last, downs, end = None, 0, time.monotonic() + seconds
    while True:
        session = client.call("GET", path)
        if session["status"] == "CONNECTED":
            print_line(f"{id}: {session['detail'] or 'connected'}")
            return
        if session["status"] == "QR_REQUIRED":
            code = _code(client, path)
            if code is not None and code != last:
                sys.stdout.write(client.text(f"{path}/qr", "text/plain").decode())
                sys.stdout.flush()
                last = code
        elif session["status"] in ("DISCONNECTED", "AUTH_FAILURE") and (downs := downs + 1) > STILL_DOWN:
            raise ClientError(f"{id}: {session['reason']}: {session['detail']}")
        if time.monotonic() > end:
            raise ClientError(f"{id}: no code was scanned within {seconds:g} s")
        time.sleep(LOOK_EVERY)


def _code(client: Client, path: str) -> str | None:
    try:
        code: str = client.call("GET", f"{path}/qr")["code"]
    except ClientError:  # the code was just scanned, or the next one is not ready yet
        return None
    return code


def pairing_code(
    id: Id,
    phone: Annotated[
        str | None, typer.Argument(help="Its number with the country code: +4915112345678.", show_default=False)
    ] = None,
    as_json: AsJson = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Ask for a code to type into the phone instead of scanning; without a number, show the last one again."""
    path = f"/v1/sessions/{path_of(id)}/pairing-code"
    client = Client(url, key)
    answer = client.call("GET", path) if phone is None else client.call("POST", path, json={"phone": phone})
    if as_json:
        print_json(answer)
    else:
        print_line(f"{answer['code']} until {moment(answer['expires_at'])}")


def pair_link(
    id: Id,
    expires_in: Annotated[int, typer.Option(help="Seconds that it works.", min=60, max=3600)] = 600,
    as_json: AsJson = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Make a page for the owner of the phone, who needs no key: it shows the code to scan or type."""
    answer = Client(url, key).call("POST", f"/v1/sessions/{path_of(id)}/pair-link", json={"expires_in": expires_in})
    if as_json:
        print_json(answer)
    else:
        print_line(f"{answer['path']} until {moment(answer['expires_at'])}")
