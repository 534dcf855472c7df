"""Features beside messages that only some platforms have."""
