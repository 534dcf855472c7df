"""People, groups, channels and the account itself: what a session of WhatsApp knows and can change beside messages."""

from . import channels, contacts, groups, profile

__all__ = ["channels", "contacts", "groups", "profile"]
