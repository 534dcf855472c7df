"""Delivers the event log to webhooks: durable, in order per chat, signed (F3)."""

from .dispatcher import Dispatcher

__all__ = ["Dispatcher"]
