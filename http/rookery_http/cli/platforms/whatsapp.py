"""`rookery whatsapp`: people, groups, channels and the account of a WhatsApp session."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Annotated, Any

import typer

from ..client import AsJson, Client, ClientError, Key, Url, path_of
from ..output import Column, print_json, print_line, print_table

app = typer.Typer(no_args_is_help=True, help="People, groups, channels and the account of a WhatsApp session.")

Id = Annotated[str, typer.Argument(help="The session's id.", show_default=False)]
Who = Annotated[str, typer.Argument(help="A phone number or an address.", show_default=False)]
Chat = Annotated[str, typer.Argument(help="The group's or channel's address.", show_default=False)]
People = Annotated[list[str], typer.Argument(help="Phone numbers or addresses.", show_default=False)]
Timer = Annotated[int, typer.Argument(help="Seconds; 0: messages stay.", min=0, max=90 * 86_400)]
Jpeg = Annotated[Path | None, typer.Option(help="A JPEG file.")]


def _field(name: str) -> Column:
    return name, lambda row: row[name]


CONTACTS: list[Column] = [_field("name"), ("phone", lambda row: (row["phone"] or "").partition("@")[0]), _field("id")]
CHECKS: list[Column] = [_field("phone"), ("exists", lambda row: "yes" if row["exists"] else "no"), _field("chat")]
PEOPLE: Column = ("people", lambda row: len(row["participants"]))
GROUPS: list[Column] = [_field("chat"), _field("name"), _field("kind"), PEOPLE]
MEMBERS: list[Column] = [
    ("id", lambda row: row["id"]),
    ("admin", lambda row: "owner" if row["owner"] else "admin" if row["admin"] else ""),
    ("error", lambda row: row["error"]),
]
CHANNELS: list[Column] = [_field("chat"), _field("name"), _field("role"), ("followers", lambda row: row["subscribers"])]


def _call(method: str, id: str, path: str, url: str | None, key: str | None, **options: Any) -> Any:
    return Client(url, key).call(method, f"/v1/sessions/{path_of(id)}/{path}", **options)


def _show(rows: list[dict[str, Any]], columns: list[Column], as_json: bool) -> None:
    if as_json:
        print_json(rows)
    else:
        print_table(rows, columns, empty="there are none")


def _say(text: str, answer: Any, as_json: bool) -> None:
    if as_json:
        print_json(answer)
    else:
        print_line(text)


def _picture(file: Path | None) -> dict[str, str]:
    if file is None:
        return {}
    try:
        return {"picture": base64.b64encode(file.read_bytes()).decode()}
    except OSError as error:
        raise ClientError(f"{file}: {error.strerror}") from None


@app.command()
def contacts(id: Id, q: str | None = None, as_json: AsJson = False, url: Url = None, key: Key = None) -> None:
    """List the people that the account knows."""
    rows = _call("GET", id, "contacts", url, key, params={"q": q} if q else {})["contacts"]
    _show(rows, CONTACTS, as_json)


@app.command()
def contact(id: Id, who: Who, as_json: AsJson = False, url: Url = None, key: Key = None) -> None:
    """Show one person."""
    print_json(_call("GET", id, f"contacts/{path_of(who)}", url, key))


@app.command()
def picture(id: Id, who: Who, as_json: AsJson = False, url: Url = None, key: Key = None) -> None:
    """Show where the picture of a person or a group is."""
    print_json(_call("GET", id, f"contacts/{path_of(who)}/picture", url, key)["picture"])


@app.command()
def check(id: Id, phones: People, as_json: AsJson = False, url: Url = None, key: Key = None) -> None:
    """Check which phone numbers have an account."""
    rows = _call("POST", id, "contacts/check", url, key, json={"phones": phones})["contacts"]
    _show(rows, CHECKS, as_json)


@app.command()
def block(id: Id, who: Who, as_json: AsJson = False, url: Url = None, key: Key = None) -> None:
    """Block a person."""
    answer = _call("PUT", id, f"contacts/{path_of(who)}/block", url, key)
    _say(f"{who} is blocked", answer, as_json)


@app.command()
def unblock(id: Id, who: Who, as_json: AsJson = False, url: Url = None, key: Key = None) -> None:
    """Let a blocked person write again."""
    answer = _call("DELETE", id, f"contacts/{path_of(who)}/block", url, key)
    _say(f"{who} is not blocked", answer, as_json)


@app.command()
def timer(id: Id, who: Who, expires_in: Timer, as_json: AsJson = False, url: Url = None, key: Key = None) -> None:
    """Let the messages of a private chat disappear after a time."""
    answer = _call("PUT", id, f"contacts/{path_of(who)}/timer", url, key, json={"expires_in": expires_in})
    _say(f"messages disappear after {expires_in} seconds" if expires_in else "messages stay", answer, as_json)


@app.command()
def blocked(id: Id, as_json: AsJson = False, url: Url = None, key: Key = None) -> None:
    """List the people whom the account blocks."""
    answer = _call("GET", id, "blocked", url, key)
    _say("\n".join(answer["blocked"]), answer, as_json)


@app.command()
def groups(id: Id, as_json: AsJson = False, url: Url = None, key: Key = None) -> None:
    """List the groups that the account is in."""
    _show(_call("GET", id, "groups", url, key)["groups"], GROUPS, as_json)


@app.command()
def group(id: Id, chat: Chat, as_json: AsJson = False, url: Url = None, key: Key = None) -> None:
    """Show one group."""
    print_json(_call("GET", id, f"groups/{path_of(chat)}", url, key))


@app.command()
def create_group(
    id: Id,
    name: str,
    people: Annotated[list[str] | None, typer.Argument()] = None,
    community: Annotated[bool, typer.Option("--community", help="A community, which holds groups.")] = False,
    parent: Annotated[str | None, typer.Option(help="The community that it becomes a part of.")] = None,
    as_json: AsJson = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Create a group or a community."""
    body = {"name": name, "participants": people or [], "community": community, "parent": parent}
    made = _call("POST", id, "groups", url, key, json=body)
    _say(made["chat"], made, as_json)


@app.command()
def change_group(
    id: Id,
    chat: Chat,
    name: str | None = None,
    description: str | None = None,
    only_admins_send: bool | None = None,
    only_admins_edit: bool | None = None,
    expires_in: Annotated[int | None, typer.Option(help="Seconds; 0: messages stay.")] = None,
    picture: Jpeg = None,
    as_json: AsJson = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Change a group's name, description, settings or picture."""
    given = {
        "name": name,
        "description": description,
        "only_admins_send": only_admins_send,
        "only_admins_edit": only_admins_edit,
        "expires_in": expires_in,
    }
    body = {field: value for field, value in given.items() if value is not None} | _picture(picture)
    print_json(_call("PATCH", id, f"groups/{path_of(chat)}", url, key, json=body))


@app.command()
def members(
    id: Id,
    chat: Chat,
    change: Annotated[str, typer.Argument(help="add, remove, promote or demote")],
    people: People,
    as_json: AsJson = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Add or remove people, or make them admins or ordinary members."""
    rows = _call("POST", id, f"groups/{path_of(chat)}/participants", url, key, json={change: people})["participants"]
    _show(rows, MEMBERS, as_json)


@app.command()
def requests(id: Id, chat: Chat, as_json: AsJson = False, url: Url = None, key: Key = None) -> None:
    """List the people who ask to join a group."""
    _show(_call("GET", id, f"groups/{path_of(chat)}/requests", url, key)["participants"], MEMBERS, as_json)


@app.command()
def invite(
    id: Id,
    chat: Chat,
    reset: Annotated[bool, typer.Option("--reset", help="Revoke the link and make a new one.")] = False,
    as_json: AsJson = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Show the link with which people join a group."""
    answer = _call("DELETE" if reset else "GET", id, f"groups/{path_of(chat)}/invite", url, key)
    _say(answer["link"], answer, as_json)


@app.command()
def join(id: Id, link: str, as_json: AsJson = False, url: Url = None, key: Key = None) -> None:
    """Join a group by its link."""
    answer = _call("POST", id, "groups/join", url, key, json={"link": link})
    _say(answer["chat"], answer, as_json)


@app.command()
def preview(id: Id, link: str, as_json: AsJson = False, url: Url = None, key: Key = None) -> None:
    """Show the group that a link leads to."""
    print_json(_call("GET", id, "groups/preview", url, key, params={"link": link}))


@app.command()
def leave(id: Id, chat: Chat, as_json: AsJson = False, url: Url = None, key: Key = None) -> None:
    """Leave a group."""
    answer = _call("DELETE", id, f"groups/{path_of(chat)}", url, key)
    _say(f"left {chat}", answer, as_json)


@app.command()
def channels(id: Id, as_json: AsJson = False, url: Url = None, key: Key = None) -> None:
    """List the channels that the account follows."""
    _show(_call("GET", id, "channels", url, key)["channels"], CHANNELS, as_json)


@app.command()
def channel(id: Id, chat: Chat, as_json: AsJson = False, url: Url = None, key: Key = None) -> None:
    """Show one channel."""
    print_json(_call("GET", id, f"channels/{path_of(chat)}", url, key))


@app.command()
def follow(id: Id, channel: str, as_json: AsJson = False, url: Url = None, key: Key = None) -> None:
    """Follow a channel, by its address or a link."""
    print_json(_call("POST", id, "channels", url, key, json={"channel": channel}))


@app.command()
def unfollow(id: Id, chat: Chat, as_json: AsJson = False, url: Url = None, key: Key = None) -> None:
    """Stop following a channel."""
    answer = _call("DELETE", id, f"channels/{path_of(chat)}", url, key)
    _say(f"unfollowed {chat}", answer, as_json)


@app.command()
def profile(
    id: Id,
    name: str | None = None,
    about: str | None = None,
    picture: Jpeg = None,
    as_json: AsJson = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Show the account, or change its name, about or picture."""
    body = {field: value for field, value in {"name": name, "about": about}.items() if value is not None}
    body |= _picture(picture)
    method, options = ("PATCH", {"json": body}) if body else ("GET", {})
    print_json(_call(method, id, "profile", url, key, **options))


@app.command()
def presence(
    id: Id,
    state: Annotated[str | None, typer.Option(help="online or offline")] = None,
    subscribe: Annotated[str | None, typer.Option(help="Tell when this person comes and goes.")] = None,
    as_json: AsJson = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Appear online or offline, or subscribe to somebody's presence."""
    body = {field: value for field, value in {"state": state, "subscribe": subscribe}.items() if value is not None}
    print_json(_call("POST", id, "presence", url, key, json=body))


@app.command()
def reject(id: Id, call: str, as_json: AsJson = False, url: Url = None, key: Key = None) -> None:
    """Reject a ringing call."""
    answer = _call("POST", id, f"calls/{path_of(call)}/reject", url, key)
    _say(f"rejected {call}", answer, as_json)
