"""Telegram bots for Rookery: Bot API long polling over httpx."""

from .provider import BotSettings, Telegram
from .sending.pacing import Rates

__all__ = ["BotSettings", "Rates", "Telegram"]
