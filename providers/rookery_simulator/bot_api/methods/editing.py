"""The methods that act on messages that exist: edits, deletion, reactions, answers to callback queries."""

from __future__ import annotations

from ..wire.answers import ApiError
from ..wire.parameters import Parameters
from ..world.bot import Message, SimulatedBot
from .sending import check_caption, check_text, find_chat, inline_keyboard, log_call

NOT_MODIFIED = (
    "Bad Request: message is not modified: specified new message content and reply markup are exactly the same as a "
    "current content and reply markup of the message"
)


def edit(bot: SimulatedBot, method: str, parameters: Parameters, field: str, text: str) -> Message | bool:
    """Change one field of a message that the bot has sent. Raises ApiError 400."""
    if not parameters.text("chat_id") and not parameters.integer("message_id"):
        if not parameters.text("inline_message_id"):
            raise ApiError(400, "Bad Request: message identifier is not specified")
        bot.actions.append(log_call(bot, method, parameters, 0, None, text))
        return True
    chat = find_chat(bot, parameters)
    chat.check_access()
    message = bot.find_message(chat.id, parameters.integer("message_id"), "edit")
    sender = message.get("from")
    is_own = isinstance(sender, dict) and sender.get("id") == bot.id
    if not is_own or (field == "text") != ("text" in message):
        # Telegram words the second case as "there is no text in the message to edit".
        raise ApiError(400, "Bad Request: message can't be edited")
    markup = inline_keyboard(parameters)
    if message.get(field, "") == text and message.get("reply_markup") == markup.get("reply_markup"):
        raise ApiError(400, NOT_MODIFIED)
    edited = {key: value for key, value in message.items() if key != "reply_markup"}
    edited |= markup | {field: text, "edit_date": int(bot.clock())}
    bot.messages[chat.id, message["message_id"]] = edited
    bot.actions.append(log_call(bot, method, parameters, chat.id, message["message_id"], text))
    return edited


def edit_message_text(bot: SimulatedBot, parameters: Parameters) -> Message | bool:
    return edit(bot, "editMessageText", parameters, "text", check_text(parameters))


def edit_message_caption(bot: SimulatedBot, parameters: Parameters) -> Message | bool:
    return edit(bot, "editMessageCaption", parameters, "caption", check_caption(parameters))


def delete_message(bot: SimulatedBot, parameters: Parameters) -> bool:
    if not parameters.text("chat_id"):
        raise ApiError(400, "Bad Request: chat identifier is not specified")
    message_id = parameters.integer("message_id")
    if not message_id:
        raise ApiError(400, "Bad Request: message identifier is not specified")
    chat = find_chat(bot, parameters)
    chat.check_access()
    bot.find_message(chat.id, message_id, "delete")
    del bot.messages[chat.id, message_id]
    bot.actions.append(log_call(bot, "deleteMessage", parameters, chat.id, message_id, ""))
    return True


def set_message_reaction(bot: SimulatedBot, parameters: Parameters) -> bool:
    reaction = parameters.structure("reaction") or []
    if not isinstance(reaction, list):
        raise ApiError(400, "Bad Request: expected an Array of ReactionType")
    chat = find_chat(bot, parameters)
    chat.check_access()
    message = bot.find_message(chat.id, parameters.integer("message_id"), "react")
    emoji = "".join(str(item.get("emoji", "")) for item in reaction if isinstance(item, dict))
    bot.actions.append(log_call(bot, "setMessageReaction", parameters, chat.id, message["message_id"], emoji))
    return True


def answer_callback_query(bot: SimulatedBot, parameters: Parameters) -> bool:
    bot.close_query("callback_query", parameters.text("callback_query_id"))
    bot.actions.append(log_call(bot, "answerCallbackQuery", parameters, 0, None, parameters.text("text")))
    return True


METHODS = {
    "editmessagetext": edit_message_text,
    "editmessagecaption": edit_message_caption,
    "deletemessage": delete_message,
    "setmessagereaction": set_message_reaction,
    "answercallbackquery": answer_callback_query,
}
