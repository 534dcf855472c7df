"""Carries out an endpoint's answer to a delivery: a whole bot can be one function behind a URL."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from ..delivery.post import delivery_id
from ..delivery.transports.transport import Attempt
from ..errors import Busy, InvalidInput, OutcomeUnknown, RookeryError, StoreError
from ..log import get_logger
from ..model.event import Event
from ..model.webhook import Delivery, Webhook
from .messages import MessageFeatures

MOST = 100
"""Maximum number of replies in one answer."""
REPORTED = 3
"""Maximum number of bad replies whose errors are reported."""
OURS = ("idempotency_key", "wait", "session")
"""Arguments of `submit` that the delivery itself sets."""
MAX_KEY = 255
"""Maximum number of characters of an idempotency key."""

log = get_logger("DELIVERY")

_decode = msgspec.json.Decoder().decode


class ReplyFeatures(MessageFeatures):
    """Replies are stored before their delivery counts as done. Each reply has a key made of the delivery's id and its
    place in the answer, so a repeated delivery sends nothing twice, whichever side crashed in between."""

    async def _carry_out(self, webhook: Webhook, delivery: Delivery, attempt: Attempt) -> Attempt:
        """Returns the attempt with the result of its replies. `error` reports bad replies; they do not fail the
        delivery. If a reply cannot be stored now, the attempt fails, so that the delivery is repeated."""
        if not webhook.replies or not attempt.delivered or not attempt.answer.strip():
            return attempt
        try:
            replies = read_replies(attempt.answer, delivery.event)
        except InvalidInput as error:
            return msgspec.structs.replace(attempt, error=f"its replies were passed over: {error}"[:500])
        bad: list[str] = []
        for index, reply in enumerate(replies):
            try:
                key = f"{delivery_id(delivery)}:{index}"
                check_fields(reply)
                await self.submit(delivery.event.session, **reply | {"idempotency_key": key})
            except (StoreError, Busy, OutcomeUnknown) as error:
                words = f"reply {index} could not be stored: {error}"[:500]
                return msgspec.structs.replace(attempt, delivered=False, error=words)
            except (RookeryError, TypeError) as error:
                bad.append(f"reply {index}: {error}")
            except Exception as error:  # a reply that makes the checks fail unexpectedly must not stop anything else
                log.error("a reply could not be carried out", session=delivery.event.session, exc_info=error)
                bad.append(f"reply {index}: it cannot be carried out: the log of the server says why")
        if not bad:
            return attempt
        more = f"; and {len(bad) - REPORTED} more" if len(bad) > REPORTED else ""
        return msgspec.structs.replace(attempt, error=("; ".join(bad[:REPORTED]) + more)[:500])


def read_replies(answer: bytes, event: Event) -> list[dict[str, Any]]:
    """Returns the arguments of `submit` for each reply: first the messages of an answer, then its calls. A message
    without `to` goes to the event's chat. Raises InvalidInput."""
    try:
        document = _decode(answer)
    except (msgspec.DecodeError, RecursionError):
        raise InvalidInput("the answer is not JSON") from None
    if not isinstance(document, dict):
        raise InvalidInput('an object is needed: {"messages": [...], "calls": [...]}')
    messages, calls = document.get("messages") or [], document.get("calls") or []
    if not isinstance(messages, list) or not isinstance(calls, list) or len(messages) + len(calls) > MOST:
        raise InvalidInput(f"`messages` and `calls` are lists, of {MOST} at most together")
    chat = event.chat or event.sender
    return [
        *({"to": chat, **_arguments(message, "text")} for message in messages),
        *({"to": chat or "0", "type": event.platform, **_arguments(call, "method")} for call in calls),
    ]


def _arguments(reply: object, only: str) -> dict[str, Any]:
    """The fields of a reply that the endpoint may choose; a reply without fields is the value of `only`."""
    fields = reply if isinstance(reply, Mapping) else {only: reply}
    return {name: value for name, value in fields.items() if name not in OURS}


def check_fields(fields: dict[str, Any]) -> None:
    """Check the arguments of `submit` that the HTTP API checks by its schema; the text of a time becomes seconds. Raises
    InvalidInput."""
    if isinstance(at := fields.get("send_at"), str):
        fields["send_at"] = seconds_of(at)
    for name, kinds, words in (
        ("to", (str, int), "a chat"),
        ("reply_to", (str, type(None)), "a message's id"),
        ("idempotency_key", (str, type(None)), "a text"),
        ("ttl", (int, float, type(None)), "a number of seconds"),
        ("send_at", (int, float, type(None)), "a time"),
        ("options", (Mapping, type(None)), "an object"),
    ):
        if name in fields and (not isinstance(fields[name], kinds) or isinstance(fields[name], bool)):
            raise InvalidInput(f"{name}: {words} is needed", field=name)
    if len(fields.get("idempotency_key") or "") > MAX_KEY:
        raise InvalidInput(f"idempotency_key: at most {MAX_KEY} characters", field="idempotency_key")


def seconds_of(moment: str) -> float | str:
    """Converts an ISO 8601 time to seconds since the epoch; other text is returned unchanged and refused where it is
    used."""
    try:
        found = datetime.fromisoformat(moment)
    except ValueError:
        return moment
    return found.timestamp() if found.tzinfo is not None else moment
