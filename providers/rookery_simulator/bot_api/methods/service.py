"""The methods about the bot itself: getMe, webhooks, logOut and close, files and chats. getUpdates is in `updates`."""

from __future__ import annotations

import re
from typing import Any

from ..wire.answers import ApiError, Described
from ..wire.parameters import Parameters
from ..world.bot import SimulatedBot
from ..world.files import MAX_DOWNLOAD_BYTES
from ..world.kinds import DEFAULT_KINDS
from ..world.polls import TERMINATED_BY_WEBHOOK
from ..world.records import Webhook
from .sending import find_chat

_SECRET = re.compile(r"[A-Za-z0-9_-]*")


def get_me(bot: SimulatedBot, parameters: Parameters) -> dict[str, Any]:
    return bot.user | {
        "can_join_groups": True,
        "can_read_all_group_messages": False,
        "supports_inline_queries": False,
        "supports_guest_queries": False,
        "can_connect_to_business": False,
        "has_main_web_app": False,
        "has_topics_enabled": False,
        "allows_users_to_create_topics": False,
        "can_manage_bots": False,
    }


def set_webhook(bot: SimulatedBot, parameters: Parameters) -> Described:
    url = parameters.text("url")
    if not url:
        return delete_webhook(bot, parameters)
    secret = parameters.text("secret_token")
    if len(secret) > 256:
        raise ApiError(400, "Bad Request: secret token is too long")
    if not _SECRET.fullmatch(secret):
        raise ApiError(400, "Bad Request: secret token contains unallowed characters")
    if not url.startswith("https://"):
        raise ApiError(400, "Bad Request: bad webhook: An HTTPS URL must be provided for webhook")
    webhook = Webhook(
        url=url,
        max_connections=min(max(parameters.integer("max_connections", 40), 1), 100),
        ip_address=parameters.text("ip_address"),
        secret_token=secret,
    )
    remember_allowed_updates(bot, parameters)
    if webhook == bot.webhook and not parameters.flag("drop_pending_updates"):
        return Described(True, "Webhook is already set")
    now = bot.clock()
    bot.polls.fail_waiting(409, TERMINATED_BY_WEBHOOK, now)
    if parameters.flag("drop_pending_updates"):
        bot.queue.drop_all_but(0, now)
    bot.webhook = webhook
    return Described(True, "Webhook was set")


def delete_webhook(bot: SimulatedBot, parameters: Parameters) -> Described:
    was_set = bot.webhook is not None
    bot.webhook = None
    if parameters.flag("drop_pending_updates"):
        bot.queue.drop_all_but(0, bot.clock())
    return Described(True, "Webhook was deleted" if was_set else "Webhook is already deleted")


def get_webhook_info(bot: SimulatedBot, parameters: Parameters) -> dict[str, Any]:
    bot.queue.expire(bot.clock())
    webhook = bot.webhook
    info: dict[str, Any] = {
        "url": webhook.url if webhook else "",
        "has_custom_certificate": False,
        "pending_update_count": len(bot.queue),
    }
    if webhook is not None:
        info["max_connections"] = webhook.max_connections
        info["ip_address"] = webhook.ip_address or "<unknown>"
    if bot.allowed_kinds != DEFAULT_KINDS:
        info["allowed_updates"] = sorted(bot.allowed_kinds)
    return info


def log_out(bot: SimulatedBot, parameters: Parameters) -> bool:
    now = bot.clock()
    bot.polls.fail_waiting(400, "Logged out", now)
    bot.queue.drop_all_but(0, now)
    return True


def close(bot: SimulatedBot, parameters: Parameters) -> bool:
    bot.polls.fail_waiting(500, "Internal Server Error: restart", bot.clock())
    return True


def get_file(bot: SimulatedBot, parameters: Parameters) -> dict[str, Any]:
    file_id = parameters.text("file_id")
    if not file_id:
        raise ApiError(400, "Bad Request: file_id not specified")
    stored = bot.files.by_id(file_id)
    if stored is None:
        raise ApiError(400, "Bad Request: invalid file_id")
    if len(stored.content) > MAX_DOWNLOAD_BYTES:
        raise ApiError(400, "Bad Request: file is too big")
    return stored.describe() | {"file_path": stored.file_path}


def get_chat(bot: SimulatedBot, parameters: Parameters) -> dict[str, Any]:
    chat = find_chat(bot, parameters)
    if chat.barred and chat.is_group:
        chat.check_access()
    return chat.json | {
        "accent_color_id": 0,
        "max_reaction_count": 11,
        "accepted_gift_types": dict.fromkeys(
            ("unlimited_gifts", "limited_gifts", "unique_gifts", "premium_subscription", "gifts_from_channels"), False
        ),
    }


def remember_allowed_updates(bot: SimulatedBot, parameters: Parameters) -> None:
    """Apply `allowed_updates` if given: `[]` means the default; anything but an array of names is ignored."""
    raw = parameters.values.get("allowed_updates")
    if raw is None or raw == bot.last_allowed_updates:
        return
    bot.last_allowed_updates = raw
    names = parameters.structure("allowed_updates")
    if isinstance(names, list) and all(isinstance(name, str) for name in names):
        bot.allow_kinds(names)


METHODS = {
    "getme": get_me,
    "setwebhook": set_webhook,
    "deletewebhook": delete_webhook,
    "getwebhookinfo": get_webhook_info,
    "logout": log_out,
    "close": close,
    "getfile": get_file,
    "getchat": get_chat,
}
