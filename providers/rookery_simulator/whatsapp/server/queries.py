"""The server's answers to `iq` queries, by namespace."""

from __future__ import annotations

from collections.abc import Callable

from ..crypto.ratchet import PreKeyBundle
from ..stanza.jid import LEGACY_SERVER, PHONE_SERVER, Jid
from ..stanza.node import Attrs, Node, node
from . import groups, pairing_flow, people
from .bundles import bundle_nodes
from .connection import ClientConnection
from .proxy import MEDIA_HOST
from .state.accounts import LinkedDevice
from .state.world import World

MEDIA_TTL = 3600  # seconds that an address of the media server is valid
NOT_FOUND = 404


def handle(world: World, connection: ClientConnection, query: Node) -> None:
    """Answer one query; an unknown one gets an empty result and is kept in `world.unknown_queries`."""
    namespace = query.get("xmlns")
    child = query.children[0].tag if query.children else ""
    if namespace == "md" and child == "link_code_companion_reg":
        pairing_flow.on_link_code(world, connection, query)
    elif (device := world.devices.get(connection)) is None:
        connection.answer(query)
    elif (answer := _ANSWERS.get((namespace, child)) or _ANSWERS.get((namespace, ""))) is not None:
        answer(world, connection, device, query)
    else:
        world.unknown_queries.add(query)
        connection.answer(query)


def _ping(world: World, connection: ClientConnection, device: LinkedDevice, query: Node) -> None:
    connection.answer(query)


def _set_active(world: World, connection: ClientConnection, device: LinkedDevice, query: Node) -> None:
    connection.answer(query)
    device.activated()
    device.phone.greet(device)


def _count_prekeys(world: World, connection: ClientConnection, device: LinkedDevice, query: Node) -> None:
    # A client makes 812 keys if the server reports none, and 50 if it reports few.
    count = device.prekey_count or (0 if world.settings.many_prekeys else 1)
    connection.answer(query, [node("count", {"value": count})])


def _store_prekeys(world: World, connection: ClientConnection, device: LinkedDevice, query: Node) -> None:
    keys = query.require("list").children
    device.store_prekeys([(int.from_bytes(key.require("id").data), key.require("value").data) for key in keys])
    connection.answer(query)


def _give_bundles(world: World, connection: ClientConnection, device: LinkedDevice, query: Node) -> None:
    users = []
    for user in query.require("key").children:
        jid = user.jid("jid")
        assert jid is not None
        bundle = _bundle_of(world, jid)
        content = [node("error", {"code": NOT_FOUND})] if bundle is None else bundle_nodes(bundle)
        users.append(node("user", {"jid": jid}, content))
    connection.answer(query, [node("list", {}, users)])


def _bundle_of(world: World, jid: Jid) -> PreKeyBundle | None:
    phone = world.phone_at(jid)
    if phone is None or jid.device == 0:
        return phone.signal.bundle() if phone else None
    device = phone.devices.get(jid.device)
    return device.take_bundle() if device else None


def _usync(world: World, connection: ClientConnection, device: LinkedDevice, query: Node) -> None:
    request = query.require("usync")
    wanted = {child.tag for child in request.require("query").children}
    users = [_usync_user(world, user, wanted) for user in request.require("list").children]
    sid: Attrs = {"sid": request.get("sid"), "index": "0", "last": "true", "mode": request.get("mode")}
    connection.answer(query, [node("usync", sid, [node("result"), node("list", {}, users)])])


def _usync_user(world: World, user: Node, wanted: set[str]) -> Node:
    contact = user.child("contact")
    if contact is not None:
        return _contact(world, contact.data.decode())
    jid = user.jid("jid")
    assert jid is not None
    phone = world.phone_at(jid)
    details: list[Node] = []
    if phone is not None and "devices" in wanted:
        numbers = [0, *sorted(phone.devices)]
        entries = [node("device", {"id": number, "is_hosted": "false", "key-index": number}) for number in numbers]
        details.append(node("devices", {}, [node("device-list", {}, entries)]))
    if phone is not None and "lid" in wanted and jid.server == PHONE_SERVER:
        details.append(node("lid", {"val": phone.lid}))
    if phone is not None and "status" in wanted:
        details.append(node("status", {"t": world.now()}, phone.about))
    return node("user", {"jid": jid}, details)


def _contact(world: World, asked: str) -> Node:
    """Whether a number is on WhatsApp; `asked` looks like `+491511@c.us`."""
    number = asked.removesuffix(f"@{LEGACY_SERVER}").lstrip("+")
    phone = world.phones.get(world.other_numbers.get(number, number))
    if phone is None:
        return node("user", {"pn_jid": Jid(number)}, [node("contact", {"type": "out"}, asked)])
    return node("user", {"jid": phone.lid, "pn_jid": phone.jid}, [node("contact", {"type": "in"}, asked)])


def _media_connection(world: World, connection: ClientConnection, device: LinkedDevice, query: Node) -> None:
    attrs: Attrs = {"auth": world.media.authorisation, "ttl": MEDIA_TTL, "auth_ttl": MEDIA_TTL, "max_buckets": 12}
    connection.answer(query, [node("media_conn", attrs, [node("host", {"hostname": MEDIA_HOST})])])


def _privacy(world: World, connection: ClientConnection, device: LinkedDevice, query: Node) -> None:
    if query.child("privacy") is None or query.get("type") != "get":
        connection.answer(query)  # a change of settings, or trusted contact tokens
        return
    names = ("readreceipts", "last", "online", "profile", "status", "groupadd", "calladd")
    categories = [node("category", {"name": name, "value": "all"}) for name in names]
    connection.answer(query, [node("privacy", {}, categories)])


def _log_out(world: World, connection: ClientConnection, device: LinkedDevice, query: Node) -> None:
    """The device unlinks itself."""
    connection.answer(query)
    device.removed = True
    device.phone.devices.pop(device.number, None)


def _sync_app_state(world: World, connection: ClientConnection, device: LinkedDevice, query: Node) -> None:
    """Give the patches after the version that the device has, or take one that it wrote."""
    state = device.phone.app_state
    collections = []
    for asked in query.require("sync").children:
        name = asked.get("name")
        if (patch := asked.child("patch")) is not None:
            state.accept(name, patch.data)
        patches = state.patches.get(name, [])
        known = len(patches) if asked.child("patch") else int(asked.get("version", "0"))
        content = [node("patches", {}, [node("patch", {}, each) for each in patches[known:]])]
        attrs: Attrs = {"name": name, "version": len(patches), "has_more_patches": "false"}
        collections.append(node("collection", attrs, content))
    connection.answer(query, [node("sync", {}, collections)])


Answer = Callable[[World, ClientConnection, LinkedDevice, Node], None]

# By namespace and tag of the first child; "" stands for any other child.
_ANSWERS: dict[tuple[str, str], Answer] = {
    ("w:p", ""): _ping,
    ("passive", "active"): _set_active,
    ("passive", "passive"): _ping,
    ("encrypt", "count"): _count_prekeys,
    ("encrypt", "registration"): _store_prekeys,
    ("encrypt", "key"): _give_bundles,
    ("usync", "usync"): _usync,
    ("w:m", "media_conn"): _media_connection,
    ("privacy", ""): _privacy,
    ("blocklist", ""): people.on_block_list,
    ("w:profile:picture", ""): people.on_picture,
    ("status", "status"): people.on_about,
    ("status", "privacy"): people.on_status_privacy,
    ("w:mex", "query"): people.on_graph,
    ("md", "remove-companion-device"): _log_out,
    ("w:sync:app:state", "sync"): _sync_app_state,
    ("w:g2", ""): groups.on_query,
}
