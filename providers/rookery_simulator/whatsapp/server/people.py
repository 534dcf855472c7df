"""Profiles of accounts, and their block lists."""

from __future__ import annotations

import json
from typing import Any

from ..stanza.jid import Jid
from ..stanza.node import Node, node
from . import channels
from .connection import ClientConnection
from .state.accounts import Account, LinkedDevice
from .state.group import Group
from .state.world import World

NOT_FOUND, FORBIDDEN = 404, 403


def _owner(world: World, address: Jid | None, device: LinkedDevice) -> Account | Group | None:
    if address is None:
        return device.phone
    return world.groups.get(address) or world.phone_at(address)


def on_picture(world: World, connection: ClientConnection, device: LinkedDevice, query: Node) -> None:
    """Answer where the picture of a person or a group is, or set a new one."""
    target = query.jid("target")
    if query.get("type") == "set":
        to = query.jid("to")
        of = world.groups.get(to) if to in world.groups else _owner(world, target, device)
        if of is None:
            connection.refuse(query, NOT_FOUND, "item-not-found")
            return
        picture = query.child("picture")
        of.picture = picture.data if picture is not None else b""
        connection.answer(query, [node("picture", {"id": picture_id(of.picture)})])
        return
    found = _owner(world, target, device)
    if found is None or not found.picture:
        connection.refuse(query, NOT_FOUND, "item-not-found")
        return
    id = picture_id(found.picture)
    attrs = {"id": id, "type": "image", "url": f"https://pps.whatsapp.net/v/{id}.jpg", "direct_path": f"/v/{id}.jpg"}
    connection.answer(query, [node("picture", {**attrs})])


def picture_id(data: bytes) -> str:
    """A number derived from these bytes."""
    return str(sum(data) * 1009 + len(data))


def on_about(world: World, connection: ClientConnection, device: LinkedDevice, query: Node) -> None:
    """Answer or change an account's about, the line below its name."""
    status = query.child("status")
    device.phone.about = status.data.decode() if status is not None else ""
    connection.answer(query)


def on_status_privacy(world: World, connection: ClientConnection, device: LinkedDevice, query: Node) -> None:
    """Answer who may see the account's statuses."""
    kind, listed = device.phone.status_audience
    users = [node("user", {"jid": each}) for each in listed]
    connection.answer(query, [node("privacy", {}, [node("list", {"type": kind, "default": "true"}, users)])])


def on_block_list(world: World, connection: ClientConnection, device: LinkedDevice, query: Node) -> None:
    """Answer or change the account's block list."""
    blocked = device.phone.blocked
    for item in query.children if query.get("type") == "set" else ():
        address = item.jid("jid")
        if address is not None:
            (blocked.add if item.get("action") == "block" else blocked.discard)(address.bare)
    items = [node("item", {"jid": address}) for address in sorted(blocked, key=str)]
    connection.answer(query, [node("list", {"dhash": "0"}, items)])


def on_graph(world: World, connection: ClientConnection, device: LinkedDevice, query: Node) -> None:
    """Answer the queries that WhatsApp writes as GraphQL: channels, and the line below a name."""
    asked = query.require("query")
    variables: dict[str, Any] = json.loads(asked.data).get("variables", {})
    given = variables.get("input")
    if isinstance(given, dict) and "text" in given and "ephemeral_duration_sec" in given:
        device.phone.about = given["text"]
        data: Any = {"xwa2_users_update_about_status": {"result": "SUCCESS"}}
    else:
        data = channels.answer(world, device, asked.get("query_id"), variables)
    document = {"data": data} if data is not None else channels.NOT_FOUND
    connection.answer(query, [node("result", {}, json.dumps(document))])
