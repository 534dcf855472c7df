"""`rookery call` and `rookery sessions leave-server`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ..client import AsJson, Client, Key, Url, path_of
from ..output import print_json, print_line


def call(
    session: Annotated[str, typer.Argument(help="The session whose connection is used.", show_default=False)],
    method: Annotated[str, typer.Argument(help="A method of the Bot API, such as getChat.", show_default=False)],
    params: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="Its parameters; a value that is JSON is taken as JSON."),
    ] = None,
    url: Url = None,
    key: Key = None,
) -> None:
    """Call any method of the Bot API and print its result.

    rookery call shop sendPhoto chat_id=7 photo=media:ID 'reply_markup={"inline_keyboard": []}'
    """
    body = dict(map(_parameter, params or ()))
    answer = Client(url, key).call("POST", f"/v1/sessions/{path_of(session)}/telegram/{path_of(method)}", json=body)
    print_json(answer["result"])


def leave_server(
    session: Annotated[str, typer.Argument(help="A Telegram session.", show_default=False)],
    method: Annotated[
        str, typer.Option(help="logOut to leave Telegram's own server, close to leave one of yours.")
    ] = "logOut",
    as_json: AsJson = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Leave the current Bot API server, to move to another one.

    Updates that wait there are stored first; then the session is stopped. Change the server's address and start the
    session.
    """
    path = f"/v1/sessions/{path_of(session)}/telegram-server"
    left = Client(url, key).call("POST", path, json={"method": method})
    if as_json:
        print_json(left)
    else:
        print_line(f"{left['id']}: left by {method}; change the server's address and start the session")


def _parameter(text: str) -> tuple[str, Any]:
    import json

    name, separator, value = text.partition("=")
    if not separator or not name:
        raise typer.BadParameter(f"{text!r} is not KEY=VALUE")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value
