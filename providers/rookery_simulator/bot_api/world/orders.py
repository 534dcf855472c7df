"""What a bot sells: its invoices, the orders under way, and what was paid."""

from __future__ import annotations

from typing import Any

import msgspec

STARS = "XTR"


class Invoice(msgspec.Struct, frozen=True):
    """What a message with a Pay button offers; amounts in the smallest unit of the currency."""

    payload: str
    currency: str
    total: int
    max_tip: int = 0
    is_flexible: bool = False


class Order(msgspec.Struct):
    """A person who is paying; `options` are the shipping options that the bot offered, by id with their prices."""

    invoice: Invoice
    chat_id: int
    user: dict[str, Any]
    total: int
    order_info: dict[str, Any] | None = None
    shipping_option: str = ""
    charge: str = ""
    """The Telegram payment charge id once it is paid."""
    failure: str = ""
    """The bot's words for refusing it."""


class Charge(msgspec.Struct):
    """A payment that has been made."""

    order: Order
    provider_charge: str
    at: float
    is_refunded: bool = False
