"""Commands for features that only some platforms have."""
