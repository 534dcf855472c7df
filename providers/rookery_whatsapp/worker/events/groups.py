"""Groups and channels: who did what to whom."""

from __future__ import annotations

import time
from typing import Any

from ..addresses import bare
from . import encoding
from .found import found
from .places import account
from .reporter import Reporter

LINKS = {1: "parent", 2: "subgroup", 3: "sibling"}


def on_joined(client: Reporter, event: Any) -> None:
    """The account is now a member of a group: it was added, joined, or created the group."""
    info, now = event.GroupInfo, time.time()
    chat = bare(info.JID)
    actor = account(client, event.Sender, event.SenderPN)
    body: dict[str, Any] = {
        "actor": actor if actor["id"] else None,
        "reason": event.Reason or None,
        "created": event.Type == "new",
        "group": {
            "id": chat,
            "name": info.GroupName.Name,
            "description": info.GroupTopic.Topic or None,
            "participants": len(info.Participants),
            **shape(info),
        },
    }
    raw = encoding.encode_raw(event)
    # The report has no time, so a second report about the same group is a new event.
    key = f"{chat}/group_joined:{int(now)}:{encoding.digest(raw)}"
    client.store(found("group_joined", key, now, chat, actor["id"], body, raw))


def shape(info: Any) -> dict[str, Any]:
    """The kind of the group: a community, its announcement group, a group in a community, or none of these."""
    parent = bare(info.GroupLinkedParent.LinkedParentJID) if info.HasField("GroupLinkedParent") else ""
    kind = (
        "community"
        if info.GroupParent.IsParent
        else "community_announcements"
        if info.GroupIsDefaultSub.IsDefaultSubGroup
        else "community_group"
        if parent
        else "group"
    )
    return {"kind": kind, "community": parent or None}


def on_changed(client: Reporter, event: Any) -> None:
    """A group's settings or members changed."""
    chat = bare(event.JID)
    actor = account(client, event.Sender) if event.HasField("Sender") else None
    changes = list(_changes(client, event))
    body: dict[str, Any] = {
        "actor": actor if actor and actor["id"] else None,
        "change": changes[0]["change"] if changes else "unknown",
        "changes": changes,
    }
    raw = encoding.encode_raw(event)
    key = f"{chat}/group_changed:{encoding.digest(raw)}"
    at = event.Timestamp / 1000 if event.Timestamp > 1e11 else float(event.Timestamp)
    client.store(found("group_changed", key, at, chat, body["actor"] and body["actor"]["id"], body, raw))


def _changes(client: Reporter, event: Any) -> Any:
    for field, change in (
        ("Join", "joined"),
        ("Leave", "left"),
        ("Promote", "promoted"),
        ("Demote", "demoted"),
    ):
        if people := getattr(event, field):
            yield {"change": change, "participants": [account(client, person) for person in people]} | (
                {"reason": event.JoinReason} if field == "Join" and event.JoinReason else {}
            )
    if event.HasField("Name"):
        yield {"change": "name", "name": event.Name.Name}
    if event.HasField("Topic"):
        yield {"change": "description", "description": None if event.Topic.TopicDeleted else event.Topic.Topic}
    if event.HasField("Locked"):
        yield {"change": "settings", "only_admins_edit": event.Locked.isLocked}
    if event.HasField("Announce"):
        yield {"change": "settings", "only_admins_send": event.Announce.IsAnnounce}
    if event.HasField("Ephemeral"):
        yield {"change": "settings", "expires_in": event.Ephemeral.DisappearingTimer}
    if event.HasField("Delete"):
        yield {"change": "deleted", "reason": event.Delete.DeletedReason or None}
    if event.NewInviteLink:
        yield {"change": "invite", "link": event.NewInviteLink}
    for field, change in (("Link", "linked"), ("Unlink", "unlinked")):
        if event.HasField(field):
            link = getattr(event, field)
            yield {"change": change, "relation": LINKS.get(link.Type), "group": bare(link.Group.JID) or None}
    for node in event.UnknownChanges:
        yield {"change": _UNKNOWN.get(node.Tag, node.Tag), "participants": list(_people(client, node))}


_UNKNOWN = {
    "membership_approval_request": "join_requested",
    "created_membership_requests": "join_requested",
    "revoked_membership_requests": "join_request_withdrawn",
    "membership_approval_mode": "settings",
    "member_add_mode": "settings",
}
"""Changes that the library passes on as raw stanzas."""


def _people(client: Reporter, node: Any) -> Any:
    for each in (node, *node.Nodes):
        for attribute in each.Attrs:
            if attribute.name in ("jid", "participant") and attribute.HasField("jid"):
                yield account(client, attribute.jid)


def on_picture(client: Reporter, event: Any) -> None:
    """A person's or a group's picture changed or was removed."""
    who = account(client, event.JID)
    body = {"account": who, "actor": account(client, event.Author), "removed": event.Remove}
    at = event.Timestamp / 1000 if event.Timestamp > 1e11 else float(event.Timestamp)
    key = f"{who['id']}/picture:{event.Timestamp}:{event.Remove}"
    client.store(found("picture_changed", key, at, who["id"], body["actor"]["id"], body, event))
