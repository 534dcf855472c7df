"""People, groups, channels and the account of a WhatsApp session."""

from . import channels, contacts, groups, profile

__all__ = ["channels", "contacts", "groups", "profile"]
