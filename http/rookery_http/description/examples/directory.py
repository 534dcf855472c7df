"""Examples of the calls about people, groups, channels and the account."""

from __future__ import annotations

from typing import Any

from .example import Example

BOB: dict[str, Any] = {
    "id": "4915112345678@s.whatsapp.net",
    "phone": "4915112345678@s.whatsapp.net",
    "lid": "123456789012345@lid",
    "name": "Bob",
    "full_name": "Bob",
    "push_name": "Bobby",
    "business_name": None,
    "about": None,
    "picture_id": None,
    "blocked": None,
}
PICTURE = {"url": "https://pps.whatsapp.net/v/t61.24694-24/1.jpg", "id": "1700000000"}
MEMBER = {"id": BOB["id"], "phone": BOB["phone"], "lid": BOB["lid"], "admin": False, "owner": False, "error": None}
GROUP: dict[str, Any] = {
    "chat": "120363000000000001@g.us",
    "name": "Friends",
    "description": "Who brings the cake?",
    "kind": "group",
    "community": None,
    "owner": BOB["id"],
    "created_at": "2026-01-30T08:15:00.000Z",
    "only_admins_send": False,
    "only_admins_edit": True,
    "expires_in": 0,
    "participants": [MEMBER],
}
CHANNEL = {
    "chat": "120363000000000099@newsletter",
    "name": "News",
    "description": "What is new",
    "role": "subscriber",
    "subscribers": 4711,
    "muted": False,
    "link": "https://whatsapp.com/channel/0029VaAbCdEfGhIjKlMn",
}
PROFILE = {
    "id": "4915100000001@s.whatsapp.net",
    "phone": "4915100000001@s.whatsapp.net",
    "lid": "100491510000001@lid",
    "name": "The shop",
    "about": "Open from 9 to 6",
    "picture": PICTURE,
    "privacy": {"last_seen": "contacts", "picture": "all"},
    "statuses": {"kind": "except", "people": ["4915112345678@s.whatsapp.net"]},
}
CHECKED = {
    "phone": "+4915112345678",
    "exists": True,
    "chat": BOB["id"],
    "lid": BOB["lid"],
    "checked_at": "2026-01-31T12:00:00.000Z",
}
NOBODY = {"phone": "+4915100000099", "exists": False, "chat": None, "lid": None, "checked_at": CHECKED["checked_at"]}
LINK = {"link": "https://chat.whatsapp.com/AbCdEfGhIjKlMnOpQrStUv"}
JPEG = "/9j/4AAQSkZJRgABAQEASABIAAD/2wBDAP//2Q=="

EXAMPLES = {
    "list_contacts": Example(answers={200: {"contacts": [BOB]}}),
    "get_contact": Example(answers={200: BOB | {"about": "At the beach", "blocked": False}}),
    "get_picture": Example(answers={200: {"picture": PICTURE}}),
    "check_contacts": Example(
        bodies={"two": {"phones": ["+4915112345678", "+4915100000099"]}}, answers={200: {"contacts": [CHECKED, NOBODY]}}
    ),
    "block_contact": Example(answers={200: {"who": "4915112345678", "blocked": True}}),
    "unblock_contact": Example(answers={200: {"who": "4915112345678", "blocked": False}}),
    "set_timer": Example(
        bodies={"a week": {"expires_in": 604_800}}, answers={200: {"who": "4915112345678", "expires_in": 604_800}}
    ),
    "list_blocked": Example(answers={200: {"blocked": ["4915100000066@s.whatsapp.net"]}}),
    "list_groups": Example(answers={200: {"groups": [GROUP]}}),
    "create_group": Example(
        bodies={
            "a group": {"name": "Friends", "participants": ["+4915112345678"]},
            "a community": {"name": "The village", "community": True},
        },
        answers={200: GROUP},
    ),
    "preview_group": Example(answers={200: GROUP}),
    "join_group": Example(bodies={"by a link": LINK}, answers={200: {"chat": GROUP["chat"]}}),
    "get_group": Example(answers={200: GROUP}),
    "update_group": Example(
        bodies={
            "name and description": {"name": "Old friends", "description": "Who brings the cake?"},
            "settings": {"only_admins_send": True, "only_admins_edit": True, "expires_in": 604800},
            "picture": {"picture": JPEG},
        },
        answers={200: GROUP},
    ),
    "leave_group": Example(answers={200: {"chat": GROUP["chat"], "left": True}}),
    "change_participants": Example(
        bodies={"add": {"add": ["+4915112345678"]}, "a new admin": {"promote": ["+4915112345678"]}},
        answers={200: {"participants": [MEMBER]}},
    ),
    "list_join_requests": Example(answers={200: {"participants": [MEMBER]}}),
    "get_invite": Example(answers={200: LINK}),
    "reset_invite": Example(answers={200: LINK}),
    "list_channels": Example(answers={200: {"channels": [CHANNEL]}}),
    "get_channel": Example(answers={200: CHANNEL}),
    "follow_channel": Example(
        bodies={
            "by its address": {"channel": CHANNEL["chat"]},
            "by a link": {"channel": CHANNEL["link"]},
        },
        answers={200: CHANNEL},
    ),
    "unfollow_channel": Example(answers={200: {"chat": CHANNEL["chat"], "left": True}}),
    "get_profile": Example(answers={200: PROFILE}),
    "update_profile": Example(
        bodies={"about": {"about": "Open from 9 to 6"}, "picture": {"picture": JPEG}}, answers={200: PROFILE}
    ),
    "set_presence": Example(
        bodies={"online": {"state": "online"}, "tell me about Bob": {"subscribe": "+4915112345678"}},
        answers={200: {"state": "online", "subscribed": None}},
    ),
    "reject_call": Example(answers={200: {"call": "3EB0A9C4F1", "rejected": True}}),
}
