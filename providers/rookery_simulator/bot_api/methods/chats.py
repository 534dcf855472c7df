"""Methods about a whole chat: pinned messages, its title and description, and the bot's commands."""

from __future__ import annotations

from typing import Any

from ..wire.answers import ApiError
from ..wire.parameters import Parameters
from ..world.bot import SimulatedBot
from .sending import find_chat, log_call


def pin_chat_message(bot: SimulatedBot, parameters: Parameters) -> bool:
    chat = find_chat(bot, parameters)
    chat.check_access()
    message = bot.find_message(chat.id, parameters.integer("message_id"), "pin")
    if message["message_id"] in chat.pinned:
        chat.pinned.remove(message["message_id"])
    chat.pinned.append(message["message_id"])
    bot.actions.append(log_call(bot, "pinChatMessage", parameters, chat.id, message["message_id"], ""))
    return True


def unpin_chat_message(bot: SimulatedBot, parameters: Parameters) -> bool:
    """Unpin the given message, or the one that was pinned last."""
    chat = find_chat(bot, parameters)
    chat.check_access()
    message_id = parameters.integer("message_id") or (chat.pinned[-1] if chat.pinned else 0)
    if message_id not in chat.pinned:
        raise ApiError(400, "Bad Request: message to unpin not found")
    chat.pinned.remove(message_id)
    bot.actions.append(log_call(bot, "unpinChatMessage", parameters, chat.id, message_id, ""))
    return True


def unpin_all_chat_messages(bot: SimulatedBot, parameters: Parameters) -> bool:
    chat = find_chat(bot, parameters)
    chat.check_access()
    chat.pinned.clear()
    bot.actions.append(log_call(bot, "unpinAllChatMessages", parameters, chat.id, None, ""))
    return True


def set_chat_title(bot: SimulatedBot, parameters: Parameters) -> bool:
    chat = find_chat(bot, parameters)
    chat.check_access()
    if not chat.is_group:
        raise ApiError(400, "Bad Request: can't change private chat title")
    title = parameters.text("title").strip()
    if not title:
        raise ApiError(400, "Bad Request: title must be non-empty")
    if title == chat.json["title"]:
        raise ApiError(400, "Bad Request: chat title is not modified")
    chat.json["title"] = title
    bot.actions.append(log_call(bot, "setChatTitle", parameters, chat.id, None, title))
    return True


def set_my_commands(bot: SimulatedBot, parameters: Parameters) -> bool:
    commands = parameters.structure("commands")
    if not isinstance(commands, list) or not all(isinstance(command, dict) for command in commands):
        raise ApiError(400, "Bad Request: expected an Array of BotCommand")
    bot.commands[_scope(parameters)] = commands
    return True


def get_my_commands(bot: SimulatedBot, parameters: Parameters) -> list[dict[str, Any]]:
    return bot.commands.get(_scope(parameters), [])


def delete_my_commands(bot: SimulatedBot, parameters: Parameters) -> bool:
    bot.commands.pop(_scope(parameters), None)
    return True


def answer_inline_query(bot: SimulatedBot, parameters: Parameters) -> bool:
    results = parameters.structure("results")
    if not isinstance(results, list):
        raise ApiError(400, "Bad Request: expected an Array of inline query results")
    if len(results) > 50:
        raise ApiError(400, "Bad Request: RESULTS_TOO_MUCH")
    bot.close_query("inline_query", parameters.text("inline_query_id"))
    bot.actions.append(log_call(bot, "answerInlineQuery", parameters, 0, None, ""))
    return True


def _scope(parameters: Parameters) -> str:
    return f"{parameters.text('scope')} {parameters.text('language_code')}"


METHODS = {
    "pinchatmessage": pin_chat_message,
    "unpinchatmessage": unpin_chat_message,
    "unpinallchatmessages": unpin_all_chat_messages,
    "setchattitle": set_chat_title,
    "setmycommands": set_my_commands,
    "getmycommands": get_my_commands,
    "deletemycommands": delete_my_commands,
    "answerinlinequery": answer_inline_query,
}
