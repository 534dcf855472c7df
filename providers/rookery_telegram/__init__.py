"""Telegram bots for Rookery: Bot API long polling over httpx."""

from .provider import Telegram
from .sending.rates import Rates
from .settings import BotSettings

__all__ = ["BotSettings", "Rates", "Telegram"]
