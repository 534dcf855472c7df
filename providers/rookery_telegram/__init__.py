"""Telegram bots for Rookery: Bot API long polling over httpx."""
