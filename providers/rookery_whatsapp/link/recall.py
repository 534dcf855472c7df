"""Looks up an earlier message: in memory, and after a restart in the log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rookery.errors import StoreError
from rookery.log import get_logger
from rookery.provider.contract import Inbox

from ..memory import QUOTE, Known, Memory

log = get_logger("SESSION")


async def recalled(inbox: Inbox, memory: Memory, chat: str, id: str) -> Known | None:
    """The message; None when it is neither in memory nor among the last few hundred of its chat. Never raises."""
    known = memory.get(id)
    if known is not None:
        return known
    try:
        found = await inbox.recall(chat, id)
    except StoreError as error:
        log.warning("an earlier message cannot be looked up", error=str(error))
        return None
    if found is None:
        return None
    content = found.content
    sender = content.get("sender")
    lid = sender.get("lid") if isinstance(sender, Mapping) and content.get("chat_type") == "group" else None
    text = content.get("text") or content.get("caption") or ""
    known = Known(lid or found.sender or "", str(text)[:QUOTE], found.sender is None, _options(content), _kind(content))
    memory.keep(id, known)
    return known


def _kind(content: Mapping[str, Any]) -> str:
    return str(content.get("kind") or content.get("type") or "")


def _options(content: Mapping[str, Any]) -> tuple[str, ...]:
    """The options of a poll, whether it was received or sent by this account."""
    poll = content.get("poll")
    options = poll.get("options") if isinstance(poll, Mapping) else content.get("choices")
    return tuple(str(each) for each in options) if isinstance(options, list) else ()
