"""The members of groups and channels: looking at them, banning, restricting, promoting, join requests and invite links.

As at the real server, what a bot changes reaches it as a `chat_member` update, if it asks for that kind.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from ..wire.answers import ApiError
from ..wire.parameters import Parameters
from ..world.bot import SimulatedBot
from ..world.chats import Chat, user_json
from ..world.members import PERMISSIONS, RIGHTS, ChatMember, administrator, is_present, restricted
from ..world.membership import change, member_of
from .sending import find_chat, log_call

MEDIA_PERMISSIONS = PERMISSIONS[:7]
FOR_EVER = 366 * 86_400
SOON = 30
"""A ban that ends sooner than this many seconds, or later than `FOR_EVER`, is for ever."""


def get_chat_member(bot: SimulatedBot, parameters: Parameters) -> ChatMember:
    chat, user_id = _chat(bot, parameters), _user(parameters)
    member = member_of(bot, chat, user_id)
    if chat.id > 0 and user_id not in (chat.id, bot.id):
        raise ApiError(400, "Bad Request: member not found")
    return {"status": "member", "user": user_json(user_id)} if user_id == chat.id else member


def get_chat_administrators(bot: SimulatedBot, parameters: Parameters) -> list[ChatMember]:
    chat = _group(bot, parameters, "there are no administrators in the private chat")
    others = [member for member in chat.members.all() if member["user"]["id"] != bot.id]
    members = [*others, member_of(bot, chat, bot.id)]
    return [member for member in members if member["status"] in ("creator", "administrator")]


def get_chat_member_count(bot: SimulatedBot, parameters: Parameters) -> int:
    chat = _chat(bot, parameters)
    if chat.id > 0:
        return 2
    others = [member for member in chat.members.all() if member["user"]["id"] != bot.id]
    return len(others) + is_present(member_of(bot, chat, bot.id))


def ban_chat_member(bot: SimulatedBot, parameters: Parameters) -> bool:
    chat = _group(bot, parameters, "can't ban members in private chats")
    user_id, old = _other(bot, chat, parameters)
    new = {"status": "kicked", "user": old["user"], "until_date": _until(bot, parameters)}
    return _apply(bot, "banChatMember", parameters, chat, user_id, new)


def unban_chat_member(bot: SimulatedBot, parameters: Parameters) -> bool:
    chat = _chat(bot, parameters)
    if chat.json["type"] not in ("supergroup", "channel"):
        raise ApiError(400, "Bad Request: method is available for supergroup and channel chats only")
    user_id, old = _other(bot, chat, parameters)
    if parameters.flag("only_if_banned") and old["status"] != "kicked":
        return True
    return _apply(bot, "unbanChatMember", parameters, chat, user_id, {"status": "left", "user": old["user"]})


def restrict_chat_member(bot: SimulatedBot, parameters: Parameters) -> bool:
    chat = _chat(bot, parameters)
    permissions = _permissions(parameters)
    if chat.json["type"] != "supergroup":
        raise ApiError(400, "Bad Request: method is available only for supergroups")
    user_id, old = _other(bot, chat, parameters)
    if old["status"] == "administrator":
        raise ApiError(400, "Bad Request: user is an administrator of the chat")
    new: ChatMember
    if all(permissions.get(name) for name in PERMISSIONS[:10]):
        new = {"status": "member" if is_present(old) else "left", "user": old["user"]}
    else:
        new = restricted(old["user"], permissions, _until(bot, parameters), is_member=is_present(old))
    return _apply(bot, "restrictChatMember", parameters, chat, user_id, new)


def promote_chat_member(bot: SimulatedBot, parameters: Parameters) -> bool:
    chat = _chat(bot, parameters)
    if chat.json["type"] not in ("supergroup", "channel"):
        raise ApiError(400, "Bad Request: method is available for supergroup and channel chats only")
    user_id, old = _other(bot, chat, parameters)
    if not is_present(old):
        raise ApiError(400, "Bad Request: USER_NOT_PARTICIPANT")
    rights = {name: parameters.flag(name) for name in RIGHTS}
    new: ChatMember = {"status": "member", "user": old["user"]}
    if any(rights.values()):
        new = administrator(old["user"], **rights | {"can_manage_chat": True}) | {"can_be_edited": True}
    return _apply(bot, "promoteChatMember", parameters, chat, user_id, new)


def set_administrator_title(bot: SimulatedBot, parameters: Parameters) -> bool:
    chat = _chat(bot, parameters)
    if chat.json["type"] != "supergroup":
        raise ApiError(400, "Bad Request: method is available only for supergroups")
    title = parameters.text("custom_title")
    if len(title) > 16:
        raise ApiError(400, "Bad Request: ADMIN_RANK_INVALID")
    user_id, old = _other(bot, chat, parameters)
    if old["status"] != "administrator":
        raise ApiError(400, "Bad Request: user is not an administrator")
    new = old | {"custom_title": title}
    return _apply(bot, "setChatAdministratorCustomTitle", parameters, chat, user_id, new)


def answer_join_request(method: str, is_approved: bool, bot: SimulatedBot, parameters: Parameters) -> bool:
    chat, user_id = _chat(bot, parameters), _user(parameters)
    if is_present(member_of(bot, chat, user_id)):
        raise ApiError(400, "Bad Request: USER_ALREADY_PARTICIPANT")
    if user_id not in chat.requests:
        raise ApiError(400, "Bad Request: HIDE_REQUESTER_MISSING")
    chat.requests.discard(user_id)
    bot.actions.append(log_call(bot, method, parameters, chat.id, None, str(user_id)))
    if is_approved:
        new = {"status": "member", "user": user_json(user_id)}
        change(bot, chat, new, by=bot.user, via_join_request=True)
        bot.push_update({"message": {"chat": chat.json, "from": new["user"], "new_chat_members": [new["user"]]}})
    return True


def create_invite_link(bot: SimulatedBot, parameters: Parameters) -> dict[str, Any]:
    chat = _group(bot, parameters, "can't manage invite links in private chats")
    asks = parameters.flag("creates_join_request")
    if asks and parameters.integer("member_limit"):
        raise ApiError(400, "Bad Request: member limit can't be specified for links requiring administrator approval")
    link: dict[str, Any] = {
        "invite_link": f"https://t.me/+{bot.id}x{bot.next_call_number()}",
        "creator": bot.user,
        "creates_join_request": asks,
        "is_primary": False,
        "is_revoked": False,
    }
    if parameters.text("name"):
        link["name"] = parameters.text("name")
    for name in ("expire_date", "member_limit"):
        if number := parameters.integer(name):
            link[name] = number
    bot.actions.append(log_call(bot, "createChatInviteLink", parameters, chat.id, None, link["invite_link"]))
    return link


def export_invite_link(bot: SimulatedBot, parameters: Parameters) -> str:
    chat = _group(bot, parameters, "can't manage invite links in private chats")
    bot.actions.append(log_call(bot, "exportChatInviteLink", parameters, chat.id, None, ""))
    return f"https://t.me/+{bot.id}x{bot.next_call_number()}"


def leave_chat(bot: SimulatedBot, parameters: Parameters) -> bool:
    chat = _group(bot, parameters, "chat is not a group")
    bot.actions.append(log_call(bot, "leaveChat", parameters, chat.id, None, ""))
    change(bot, chat, {"status": "left", "user": bot.user}, by=bot.user)
    chat.bar(f"Forbidden: bot is not a member of the {chat.json['type']} chat")
    return True


def _chat(bot: SimulatedBot, parameters: Parameters) -> Chat:
    chat = find_chat(bot, parameters)
    chat.check_access()
    return chat


def _group(bot: SimulatedBot, parameters: Parameters, otherwise: str) -> Chat:
    chat = _chat(bot, parameters)
    if not chat.is_group:
        raise ApiError(400, f"Bad Request: {otherwise}")
    return chat


def _user(parameters: Parameters) -> int:
    user_id = parameters.integer("user_id")
    if user_id <= 0:
        raise ApiError(400, "Bad Request: invalid user_id specified")
    return user_id


def _other(bot: SimulatedBot, chat: Chat, parameters: Parameters) -> tuple[int, ChatMember]:
    """The member that the call wants to change."""
    user_id = _user(parameters)
    if user_id == bot.id:
        raise ApiError(400, "Bad Request: can't restrict self")
    own = member_of(bot, chat, bot.id)
    if own["status"] != "creator" and not own.get("can_restrict_members"):
        raise ApiError(400, "Bad Request: not enough rights to restrict/unrestrict chat member")
    old = member_of(bot, chat, user_id)
    if old["status"] == "creator":
        raise ApiError(400, "Bad Request: can't remove chat owner")
    return user_id, old


def _until(bot: SimulatedBot, parameters: Parameters) -> int:
    until = parameters.integer("until_date")
    return until if SOON <= until - bot.clock() <= FOR_EVER else 0


def _permissions(parameters: Parameters) -> dict[str, bool]:
    given = parameters.structure("permissions")
    if not isinstance(given, dict):
        raise ApiError(400, 'Bad Request: parameter "permissions" is required')
    permissions = {name: value is True for name, value in given.items() if name in PERMISSIONS}
    if not parameters.flag("use_independent_chat_permissions"):
        implied = (
            (("can_send_other_messages", "can_add_web_page_previews"), MEDIA_PERMISSIONS),
            (MEDIA_PERMISSIONS[1:], ("can_send_messages",)),
            (("can_send_polls",), ("can_send_messages",)),
        )
        for causes, effects in implied:
            if any(permissions.get(name) for name in causes):
                permissions |= dict.fromkeys(effects, True)
    return permissions


def _apply(bot: SimulatedBot, method: str, parameters: Parameters, chat: Chat, user_id: int, new: ChatMember) -> bool:
    bot.actions.append(log_call(bot, method, parameters, chat.id, None, str(user_id)))
    if new != member_of(bot, chat, user_id):
        change(bot, chat, new, by=bot.user)
    return True


METHODS = {
    "getchatmember": get_chat_member,
    "getchatadministrators": get_chat_administrators,
    "getchatmembercount": get_chat_member_count,
    "banchatmember": ban_chat_member,
    "unbanchatmember": unban_chat_member,
    "restrictchatmember": restrict_chat_member,
    "promotechatmember": promote_chat_member,
    "setchatadministratorcustomtitle": set_administrator_title,
    "approvechatjoinrequest": partial(answer_join_request, "approveChatJoinRequest", True),
    "declinechatjoinrequest": partial(answer_join_request, "declineChatJoinRequest", False),
    "createchatinvitelink": create_invite_link,
    "exportchatinvitelink": export_invite_link,
    "leavechat": leave_chat,
}
