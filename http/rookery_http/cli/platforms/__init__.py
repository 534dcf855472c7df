"""Commands for what only some platforms have."""
