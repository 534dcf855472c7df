"""Outbound messages without an engine."""

from __future__ import annotations

from typing import Any

from rookery import OutboundMessage
from rookery.features.validation import parse_content


def message_of(**fields: Any) -> OutboundMessage:
    """To chat 7, unless `to` says otherwise. Raises InvalidInput."""
    options = fields.pop("options", {})
    reply_to = fields.pop("reply_to", None)
    return OutboundMessage(
        id="m",
        session="s",
        to=fields.pop("to", "7"),
        content=parse_content(fields),
        created_at=0,
        updated_at=0,
        expires_at=1,
        reply_to=reply_to,
        options=options,
    )
