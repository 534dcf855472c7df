"""Telegram bots for Rookery, by long polling of the Bot API."""

from .provider import Telegram
from .sending.rates import Rates
from .settings import BotSettings

__all__ = ["BotSettings", "Rates", "Telegram"]
