"""The examples and bodies against the Bot API's own list of what an update may hold."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from rookery_telegram.receiving.message_kinds import CONTENT_KINDS, MEDIA_KINDS, SERVICE_KINDS
from rookery_telegram.receiving.messages import CIRCUMSTANCES
from rookery_telegram.receiving.updates import ALL_KINDS, MESSAGE_KINDS, to_events
from support.bot_api.received import EXAMPLES, OBJECTS, Filler, leaves, problems

KINDS = [*MEDIA_KINDS, *CONTENT_KINDS, *SERVICE_KINDS]
ONLY_IN_RAW = {
    "cover",
    "qualities",
    "mask_position",
    "premium_animation",
    "added_to_attachment_menu",
    "can_join_groups",
    "can_read_all_group_messages",
    "supports_guest_queries",
    "supports_inline_queries",
    "can_connect_to_business",
    "has_main_web_app",
    "has_topics_enabled",
    "allows_users_to_create_topics",
    "can_manage_bots",
    "supports_join_request_queries",
}
"""Fields of files and users that bodies leave out; `docs/telegram.md` says so."""
INNER = {"pinned_message", "reply_to_message"}
"""Messages of which the body shows the id; of the one that is answered also its body, unless it is inside another one."""
JOINED = {"first_name", "last_name"}
"""They make up `name`."""


def test_all_kinds_of_updates_are_known() -> None:
    assert set(ALL_KINDS) == OBJECTS["Update"].keys() - {"update_id"}


def test_all_fields_of_a_message_are_known() -> None:
    assert {*KINDS, *CIRCUMSTANCES} == OBJECTS["Message"].keys()


@pytest.mark.parametrize("kind", sorted(OBJECTS["Update"].keys() - {"update_id"}))
def test_each_kind_of_update_has_an_example(kind: str) -> None:
    assert any(kind in example["update"] for example in EXAMPLES)


@pytest.mark.parametrize("field", sorted(OBJECTS["Message"]))
def test_each_field_of_a_message_has_an_example(field: str) -> None:
    messages = [value for example in EXAMPLES for kind in MESSAGE_KINDS if (value := example["update"].get(kind))]
    assert any(field in message for message in messages)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["name"])
def test_an_example_is_an_update_as_documented(example: dict[str, Any]) -> None:
    found = list(problems(example["update"], "Update"))
    assert found == ([".message.telepathy: Message has no such field"] if example["name"] == "unknown content" else [])


@pytest.mark.parametrize("kind", ["text", *KINDS])
def test_the_body_of_a_message_says_everything(kind: str) -> None:
    others = {*KINDS, "text"} - {kind}
    others |= {"caption", "caption_entities"} if kind == "text" or kind not in MEDIA_KINDS else {"entities"}
    filler = Filler()
    for sender in ("from", "sender_chat"):
        message = filler.fields("Message")
        for name in {*others, {"from": "sender_chat", "sender_chat": "from"}[sender]}:
            message.pop(name, None)
        check_everything_is_said("message", message)


@pytest.mark.parametrize("kind", sorted(set(ALL_KINDS) - set(MESSAGE_KINDS)))
def test_the_body_of_an_update_says_everything(kind: str) -> None:
    filler = Filler()
    value = filler.value(OBJECTS["Update"][kind])
    if kind == "poll_answer":  # a chat that votes comes with a stand-in user
        check_everything_is_said(kind, {name: item for name, item in value.items() if name != "voter_chat"})
        del value["user"]
    check_everything_is_said(kind, value)


def check_everything_is_said(kind: str, value: dict[str, Any]) -> None:
    """Each leaf of an update is in its event: the body, or the time."""
    raw = json.dumps([{"update_id": 5, kind: value}]).encode()
    event = to_events(msgspec.Raw(raw))[0][0]
    assert event.type == kind
    body = json.loads(event.body)
    told = {str(item) for _, item in leaves(body)} | {str(int(event.time))}
    names = {name for path, _ in leaves(body) for name in path.split(".")}
    text = " ".join(told)
    lost = []
    for path, item in leaves(value):
        steps = path.split(".")
        if ONLY_IN_RAW & set(steps) or (not INNER.isdisjoint(steps[:-1]) and steps[-1] != "message_id"):
            continue
        values = names if item is True else told
        if (steps[-1] if item is True else str(item)) in values or (steps[-1] in JOINED and str(item) in text):
            continue
        lost.append(path)
    assert lost == []
