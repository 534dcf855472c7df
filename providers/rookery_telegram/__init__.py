"""Telegram bots for Rookery: Bot API long polling over httpx."""

from .pacing import Rates
from .provider import BotSettings, Telegram

__all__ = ["BotSettings", "Rates", "Telegram"]
