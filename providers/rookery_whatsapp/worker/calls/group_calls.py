"""Groups and channels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from neonize.proto import Neonize_pb2 as forms
from neonize.utils.enum import ParticipantChange

from ..addresses import USER, bare, parse_jid
from ..events.groups import shape
from . import people

if TYPE_CHECKING:
    from ..client import Client

CHANGES = {
    "add": ParticipantChange.ADD,
    "remove": ParticipantChange.REMOVE,
    "promote": ParticipantChange.PROMOTE,
    "demote": ParticipantChange.DEMOTE,
}
ROLES = {1: "subscriber", 2: "guest", 3: "admin", 4: "owner"}
CHANNEL_LINK = "https://whatsapp.com/channel/"


def _both(client: Client, *jids: Any) -> tuple[str, str]:
    phone = next((bare(jid) for jid in jids if jid.Server == USER and bare(jid)), "")
    lid = next((bare(jid) for jid in jids if jid.Server == "lid" and bare(jid)), "")
    return client.both_forms(phone, lid)


def _participant(client: Client, each: Any) -> dict[str, Any]:
    phone, lid = _both(client, each.PhoneNumber, each.JID, each.LID)
    return {
        "id": phone or lid,
        "phone": phone or None,
        "lid": lid or None,
        "admin": each.IsAdmin or each.IsSuperAdmin,
        "owner": each.IsSuperAdmin,
        "error": each.Error or None,
    }


def _group(client: Client, info: Any) -> dict[str, Any]:
    owner, hidden = _both(client, info.OwnerPN, info.OwnerJID)
    return {
        "chat": bare(info.JID),
        "name": info.GroupName.Name,
        "description": info.GroupTopic.Topic or None,
        **shape(info),
        "owner": owner or hidden or None,
        "created_at": float(info.GroupCreated) if info.GroupCreated > 0 else None,
        "only_admins_send": info.GroupAnnounce.IsAnnounce,
        "only_admins_edit": info.GroupLocked.isLocked,
        "expires_in": info.GroupEphemeral.DisappearingTimer if info.GroupEphemeral.IsEphemeral else 0,
        "participants": [_participant(client, each) for each in info.Participants],
    }


def groups(client: Client, arguments: dict[str, Any]) -> list[dict[str, Any]]:
    """All groups that the account is in."""
    return [_group(client, info) for info in client.gated.get_joined_groups()]


def group(client: Client, arguments: dict[str, Any]) -> dict[str, Any]:
    """One group."""
    return _group(client, client.gated.get_group_info(parse_jid(arguments["chat"])))


def create_group(client: Client, arguments: dict[str, Any]) -> dict[str, Any]:
    """Create a group, a community, or a group in a community."""
    linked = community = None
    if arguments["parent"] is not None:
        linked = forms.GroupLinkedParent(LinkedParentJID=parse_jid(arguments["parent"]))
    if arguments["community"]:
        community = forms.GroupParent(IsParent=True, DefaultMembershipApprovalMode="request_required")
    people_in = [parse_jid(each) for each in arguments["participants"]]
    return _group(client, client.gated.create_group(arguments["name"], people_in, linked, community))


def change_group(client: Client, arguments: dict[str, Any]) -> dict[str, Any]:
    """Change name, description, settings and picture; None leaves a value unchanged."""
    jid, library = parse_jid(arguments["chat"]), client.gated
    if arguments["name"] is not None:
        library.set_group_name(jid, arguments["name"])
    if arguments["description"] is not None:
        earlier = library.get_group_info(jid).GroupTopic.TopicID
        library.set_group_topic(jid, earlier, library.generate_message_id(), arguments["description"])
    if arguments["only_admins_send"] is not None:
        library.set_group_announce(jid, arguments["only_admins_send"])
    if arguments["only_admins_edit"] is not None:
        library.set_group_locked(jid, arguments["only_admins_edit"])
    if arguments["expires_in"] is not None:
        library.set_disappearing_timer(jid, arguments["expires_in"] * 1_000_000_000)
    if arguments["picture"] is not None:
        people.set_picture(client, jid, arguments["picture"])
    return group(client, arguments)


def leave_group(client: Client, arguments: dict[str, Any]) -> None:
    """Leave a group."""
    client.gated.leave_group(parse_jid(arguments["chat"]))


def change_participants(client: Client, arguments: dict[str, Any]) -> list[dict[str, Any]]:
    """Add, remove, promote or demote people. Returns one result per person, each with its own error, if any."""
    changed = client.gated.update_group_participants(
        parse_jid(arguments["chat"]),
        [parse_jid(each) for each in arguments["participants"]],
        CHANGES[arguments["change"]],
    )
    return [_participant(client, each) for each in changed]


def join_requests(client: Client, arguments: dict[str, Any]) -> list[dict[str, Any]]:
    """People who have asked to join a group."""
    found = client.gated.get_group_request_participants(parse_jid(arguments["chat"]))
    answer = []
    for each in found:
        phone, lid = _both(client, each.Participant)
        answer.append({"id": phone or lid, "phone": phone or None, "lid": lid or None})
    return answer


def invite(client: Client, arguments: dict[str, Any]) -> str:
    """The group's invitation link; `reset` replaces it by a new one."""
    return str(client.gated.get_group_invite_link(parse_jid(arguments["chat"]), arguments["reset"]))


def join_group(client: Client, arguments: dict[str, Any]) -> str:
    """Join the group of an invitation link; returns its address."""
    return bare(client.gated.join_group_with_link(arguments["link"]))


def preview_group(client: Client, arguments: dict[str, Any]) -> dict[str, Any]:
    """The group that an invitation link leads to."""
    return _group(client, client.gated.get_group_info_from_link(arguments["link"]))


def _channel(info: Any) -> dict[str, Any]:
    thread = info.ThreadMeta
    viewer = info.ViewerMeta if info.HasField("ViewerMeta") else None
    return {
        "chat": bare(info.ID),
        "name": thread.Name.Text,
        "description": thread.Description.Text or None,
        "role": ROLES.get(viewer.Role) if viewer is not None else None,
        "muted": viewer.Mute == 1 if viewer is not None else None,
        "subscribers": thread.SubscriberCount,
        "link": CHANNEL_LINK + thread.InviteCode if thread.InviteCode else None,
    }


def channels(client: Client, arguments: dict[str, Any]) -> list[dict[str, Any]]:
    """All channels that the account follows."""
    return [_channel(info) for info in client.gated.get_subscribed_newletters()]


def channel(client: Client, arguments: dict[str, Any]) -> dict[str, Any]:
    """One channel, by its address or a link to it."""
    name = arguments["channel"]
    if name.endswith("@newsletter"):
        return _channel(client.gated.get_newsletter_info(parse_jid(name)))
    return _channel(client.gated.get_newsletter_info_with_invite(name.removeprefix(CHANNEL_LINK)))


def follow(client: Client, arguments: dict[str, Any]) -> dict[str, Any]:
    """Follow a channel."""
    found = channel(client, arguments)
    client.gated.follow_newsletter(parse_jid(found["chat"]))
    return found


def unfollow(client: Client, arguments: dict[str, Any]) -> None:
    """Stop following a channel."""
    found = channel(client, arguments)
    client.gated.unfollow_newsletter(parse_jid(found["chat"]))
