"""The methods that send something without a file: places, contacts, polls, dice."""

from __future__ import annotations

import zlib
from typing import Any

from ..wire.answers import ApiError
from ..wire.parameters import Parameters
from ..world.bot import Message, SimulatedBot
from .sending import create_message, find_chat, log_call

DICE = {"🎲": 6, "🎯": 6, "🎳": 6, "🏀": 5, "⚽": 5, "🎰": 64}
"""The highest value of each."""


def send_location(bot: SimulatedBot, parameters: Parameters) -> Message:
    location = _location(parameters)
    if live := parameters.integer("live_period"):
        location["live_period"] = live
    return create_message(bot, "sendLocation", find_chat(bot, parameters), parameters, {"location": location})


def send_contact(bot: SimulatedBot, parameters: Parameters) -> Message:
    contact = {}
    for name in ("phone_number", "first_name"):
        contact[name] = parameters.text(name)
        if not contact[name]:
            raise ApiError(400, f'Bad Request: parameter "{name}" is required')
    if parameters.text("last_name"):
        contact["last_name"] = parameters.text("last_name")
    return create_message(bot, "sendContact", find_chat(bot, parameters), parameters, {"contact": contact})


def send_poll(bot: SimulatedBot, parameters: Parameters) -> Message:
    question = parameters.text("question")
    if not question:
        raise ApiError(400, "Bad Request: poll question must be non-empty")
    options = parameters.structure("options")
    if not isinstance(options, list):
        raise ApiError(400, "Bad Request: expected an Array of String as options")
    if len(options) < 2:
        raise ApiError(400, "Bad Request: poll must have at least 2 option")
    texts = [option["text"] if isinstance(option, dict) and "text" in option else str(option) for option in options]
    chat = find_chat(bot, parameters)
    anonymous = parameters.flag("is_anonymous") if "is_anonymous" in parameters.values else True
    poll = {
        "id": str(bot.next_call_number()),
        "question": question,
        "options": [{"persistent_id": str(n), "text": text, "voter_count": 0} for n, text in enumerate(texts)],
        "total_voter_count": 0,
        "is_closed": False,
        "is_anonymous": anonymous,
        "type": parameters.text("type") or "regular",
        "allows_multiple_answers": parameters.flag("allows_multiple_answers"),
        "allows_revoting": parameters.flag("allows_revoting"),
        "members_only": parameters.flag("members_only"),
    }
    return create_message(bot, "sendPoll", chat, parameters, {"poll": poll}, question)


def send_venue(bot: SimulatedBot, parameters: Parameters) -> Message:
    venue: dict[str, Any] = {"location": _location(parameters)}
    for name in ("title", "address"):
        venue[name] = parameters.text(name)
        if not venue[name]:
            raise ApiError(400, f'Bad Request: parameter "{name}" is required')
    content = {"venue": venue, "location": venue["location"]}
    return create_message(bot, "sendVenue", find_chat(bot, parameters), parameters, content, venue["title"])


def send_dice(bot: SimulatedBot, parameters: Parameters) -> Message:
    emoji = parameters.text("emoji") or "🎲"
    if emoji not in DICE:
        raise ApiError(400, "Bad Request: DICE_EMOJI_INVALID")
    chat = find_chat(bot, parameters)
    thrown = 1 + zlib.crc32(f"{chat.id} {chat.last_message_id}".encode()) % DICE[emoji]
    return create_message(bot, "sendDice", chat, parameters, {"dice": {"emoji": emoji, "value": thrown}}, emoji)


def stop_poll(bot: SimulatedBot, parameters: Parameters) -> dict[str, Any]:
    chat = find_chat(bot, parameters)
    chat.check_access()
    message = bot.find_message(chat.id, parameters.integer("message_id"), "stop poll")
    poll = message.get("poll")
    if not isinstance(poll, dict):
        raise ApiError(400, "Bad Request: message with poll to stop not found")
    if poll["is_closed"]:
        raise ApiError(400, "Bad Request: poll has already been closed")
    poll["is_closed"] = True
    bot.actions.append(log_call(bot, "stopPoll", parameters, chat.id, message["message_id"], poll["question"]))
    return poll


def _location(parameters: Parameters) -> dict[str, Any]:
    location: dict[str, Any] = {}
    for name in ("latitude", "longitude"):
        number = parameters.number(name)
        if number is None:
            raise ApiError(400, f"Bad Request: {name} is empty")
        location[name] = number
    return location


METHODS = {
    "sendlocation": send_location,
    "sendvenue": send_venue,
    "sendcontact": send_contact,
    "sendpoll": send_poll,
    "senddice": send_dice,
    "stoppoll": stop_poll,
}
