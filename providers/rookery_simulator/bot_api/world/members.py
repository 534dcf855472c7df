"""Who is what in a chat: `ChatMember` objects, made up for those who were never seen there."""

from __future__ import annotations

from typing import Any

PERMISSIONS = (
    "can_send_messages",
    "can_send_audios",
    "can_send_documents",
    "can_send_photos",
    "can_send_videos",
    "can_send_video_notes",
    "can_send_voice_notes",
    "can_send_polls",
    "can_send_other_messages",
    "can_add_web_page_previews",
    "can_react_to_messages",
    "can_edit_tag",
    "can_change_info",
    "can_invite_users",
    "can_pin_messages",
    "can_manage_topics",
)
"""The fields of `ChatPermissions`."""

RIGHTS = (
    "is_anonymous",
    "can_manage_chat",
    "can_delete_messages",
    "can_manage_video_chats",
    "can_restrict_members",
    "can_promote_members",
    "can_change_info",
    "can_invite_users",
    "can_post_stories",
    "can_edit_stories",
    "can_delete_stories",
    "can_post_messages",
    "can_edit_messages",
    "can_pin_messages",
    "can_manage_topics",
    "can_manage_direct_messages",
)
"""The fields of `ChatMemberAdministrator` that say what the person may do."""

PRESENT = frozenset({"creator", "administrator", "member"})

ChatMember = dict[str, Any]


class Members:
    """The members of one chat. A person becomes known by writing, joining or a change of what they are."""

    def __init__(self) -> None:
        self._known: dict[int, ChatMember] = {}

    def __getitem__(self, user_id: int) -> ChatMember | None:
        return self._known.get(user_id)

    def all(self) -> list[ChatMember]:
        """Those who are in the chat."""
        return [member for member in self._known.values() if is_present(member)]

    def set(self, member: ChatMember) -> None:
        """Make a person what `member` says."""
        self._known[member["user"]["id"]] = member

    def saw(self, user: dict[str, Any]) -> None:
        """A person wrote: whoever is not known yet is a member."""
        if type(id := user.get("id")) is int and id not in self._known:
            self._known[id] = {"status": "member", "user": user}


def is_present(member: ChatMember) -> bool:
    """Whether this person is in the chat."""
    return member["status"] in PRESENT or member.get("is_member") is True


def administrator(user: dict[str, Any], **rights: bool) -> ChatMember:
    """An administrator with these rights and no others."""
    known = {name: bool(rights.get(name, False)) for name in RIGHTS}
    return {"status": "administrator", "user": user, "can_be_edited": False, **known}


def restricted(user: dict[str, Any], permissions: dict[str, bool], until: int, *, is_member: bool) -> ChatMember:
    """A person with these permissions and no others, for ever when `until` is 0."""
    allowed = {name: bool(permissions.get(name, False)) for name in PERMISSIONS}
    return {"status": "restricted", "user": user, "is_member": is_member, **allowed, "until_date": until}
