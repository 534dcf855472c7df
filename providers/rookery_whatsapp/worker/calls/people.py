"""Contacts, the block list, the account's own profile, presence and calls."""

from __future__ import annotations

import ctypes
import time
from typing import TYPE_CHECKING, Any

from neonize.proto import Neonize_pb2 as forms
from neonize.utils.enum import BlocklistAction

from ..addresses import GROUP, LID, USER, bare, parse_jid
from . import failures

if TYPE_CHECKING:
    from ..client import Client

PRIVACY = {
    "GroupAdd": "groups",
    "LastSeen": "last_seen",
    "Status": "about",
    "Profile": "picture",
    "ReadReceipts": "read_receipts",
    "CallAdd": "calls",
    "Online": "online",
}
AUDIENCES = {1: "contacts", 2: "except", 3: "only"}
"""Kinds of audience, by neonize's number."""
UNDEFINED = 1
"""neonize's number for a setting that WhatsApp did not name."""

NO_PICTURE = ("that user or group does not have a profile picture", "item-not-found")
HIDDEN_PICTURE = ("the user has hidden their profile picture", "not-authorized")


def contacts(client: Client, arguments: dict[str, Any]) -> list[dict[str, Any]]:
    """Every contact in the library's own store, one entry per person."""
    found: dict[str, dict[str, Any]] = {}
    for each in client.gated.contact.get_all_contacts():
        if each.JID.Server not in (USER, LID):
            continue
        entry = _contact(client, each.JID, each.Info)
        known = found.setdefault(entry["id"], entry)
        known |= {name: value for name, value in entry.items() if value}
    return sorted(found.values(), key=lambda entry: ((entry["name"] or "\uffff").casefold(), entry["id"]))


def _contact(client: Client, jid: Any, info: Any) -> dict[str, Any]:
    address = bare(jid)
    phone, lid = client.both_forms(*((address, "") if jid.Server == USER else ("", address)))
    names = {
        "full_name": info.FullName or info.FirstName or None,
        "push_name": info.PushName or None,
        "business_name": info.BusinessName or None,
    }
    name = names["full_name"] or names["business_name"] or names["push_name"]
    return {"id": phone or lid, "phone": phone or None, "lid": lid or None, "name": name, **names}


def contact(client: Client, arguments: dict[str, Any]) -> dict[str, Any]:
    """One person, including the data that only the server has."""
    jid = parse_jid(arguments["who"])
    library = client.gated
    entry = _contact(client, jid, library.contact.get_contact(jid))
    for each in library.get_user_info(jid):
        if each.UserInfo.Status:
            entry["about"] = each.UserInfo.Status
        if each.UserInfo.PictureID:
            entry["picture_id"] = each.UserInfo.PictureID
        if name := each.UserInfo.VerifiedName.Details.verifiedName:
            entry["business_name"] = name
            entry["name"] = entry["name"] or name
    entry["blocked"] = bool({entry["phone"], entry["lid"]} & set(blocked(client, {})))
    return entry


def picture(client: Client, arguments: dict[str, Any]) -> dict[str, Any] | None:
    """The picture of a person or a group; None when the account cannot see one."""
    jid = parse_jid(arguments["who"])
    buffer, extra = jid.SerializeToString(), forms.GetProfilePictureParams().SerializeToString()
    data = client.gated.binary.GetProfilePicture(client.gated.uuid, buffer, len(buffer), extra, len(extra))
    answer = forms.GetProfilePictureReturnFunction.FromString(data)
    if answer.Error:
        if any(sign in answer.Error for sign in (*NO_PICTURE, *HIDDEN_PICTURE)):
            return None
        raise failures.refused(answer.Error)
    return {"url": answer.Picture.URL, "id": answer.Picture.ID} if answer.Picture.URL else None


def check_numbers(client: Client, arguments: dict[str, Any]) -> list[dict[str, Any]]:
    """Which of these numbers WhatsApp knows. The server may answer with another number for the same person."""
    found = []
    for each in client.gated.is_on_whatsapp(*arguments["phones"]):
        address = bare(each.JID) if each.IsIn else ""
        phone = lid = ""
        if address:
            phone, lid = client.both_forms(*((address, "") if each.JID.Server == USER else ("", address)))
        found.append(
            {
                "phone": each.Query.removeprefix("+").partition("@")[0],
                "exists": bool(each.IsIn),
                "chat": phone or lid or None,
                "lid": lid or None,
                "checked_at": time.time(),
            }
        )
    return found


def blocked(client: Client, arguments: dict[str, Any]) -> list[str]:
    """Addresses that may not write to the account."""
    return [bare(jid) for jid in client.gated.get_blocklist().JIDs]


def block(client: Client, arguments: dict[str, Any]) -> None:
    """Block or unblock a person."""
    action = BlocklistAction.BLOCK if arguments["blocked"] else BlocklistAction.UNBLOCK
    client.gated.update_blocklist(parse_jid(arguments["who"]), action)


def set_timer(client: Client, arguments: dict[str, Any]) -> None:
    """Set the number of seconds after which messages of a private chat disappear; 0 keeps them."""
    # The library takes nanoseconds. (It would read a timedelta as milliseconds.)
    client.gated.set_disappearing_timer(parse_jid(arguments["who"]), arguments["expires_in"] * 1_000_000_000)


def profile(client: Client, arguments: dict[str, Any]) -> dict[str, Any]:
    """The account's own profile."""
    me = client.gated.get_me()
    phone, lid = bare(me.JID), bare(me.LID)
    about = None
    for each in client.gated.get_user_info(parse_jid(phone)):
        about = each.UserInfo.Status or None
    privacy = client.gated.get_privacy_settings()
    return {
        "id": phone,
        "phone": phone,
        "lid": lid or None,
        "name": me.PushName or None,
        "about": about,
        "picture": picture(client, {"who": phone}),
        "privacy": {
            word: _word(privacy, name) for name, word in PRIVACY.items() if getattr(privacy, name) != UNDEFINED
        },
        "statuses": _audience(client),
    }


def _audience(client: Client) -> dict[str, Any] | None:
    """Who sees the account's statuses; None when WhatsApp does not say."""
    for each in client.gated.get_status_privacy():
        if each.IsDefault:
            return {"kind": AUDIENCES[each.Type], "people": [bare(jid) for jid in each.List]}
    return None


def _word(privacy: Any, name: str) -> str:
    values = privacy.DESCRIPTOR.fields_by_name[name].enum_type.values_by_number
    return str(values[getattr(privacy, name)].name.lower())


def own_name(client: Client, arguments: dict[str, Any]) -> str:
    """The account's name; empty until the phone has sent it."""
    return str(client.gated.get_me().PushName)


def change_profile(client: Client, arguments: dict[str, Any]) -> dict[str, Any]:
    """Change the account's name, about and picture; None leaves a value unchanged."""
    library = client.gated
    if arguments["name"] is not None:
        library.set_profile_name(arguments["name"])
    if arguments["about"] is not None:
        library.set_status_message(arguments["about"])
    if arguments["picture"] is not None:
        set_picture(client, None, arguments["picture"])
    return profile(client, {}) | ({"name": arguments["name"]} if arguments["name"] is not None else {})


def set_picture(client: Client, group: Any, data: bytes) -> None:
    """Set a JPEG as the picture of a group or of the account; empty bytes remove it."""
    uuid, binary = client.gated.uuid, client.gated.binary
    if group is None:
        answer = binary.SetProfilePhoto(uuid, data, len(data))
    else:
        buffer = group.SerializeToString()
        answer = binary.SetGroupPhoto(uuid, buffer, len(buffer), data, len(data))
    result = forms.SetGroupPhotoReturnFunction.FromString(answer)
    if result.Error:
        raise failures.refused(result.Error)


def subscribe(client: Client, arguments: dict[str, Any]) -> None:
    """Subscribe to a person's presence; the server forgets the subscription with the connection."""
    client.gated.subscribe_presence(parse_jid(arguments["who"]))


def reject_call(client: Client, arguments: dict[str, Any]) -> None:
    """Reject a ringing call."""
    jid = parse_jid(arguments["origin"]).SerializeToString()
    call = ctypes.create_string_buffer(arguments["call"].encode())
    if error := client.gated.binary.RejectCall(client.gated.uuid, jid, len(jid), call).decode():
        raise failures.refused(error)


def is_group(address: str) -> bool:
    """True for the address of a group."""
    return address.endswith(f"@{GROUP}")
