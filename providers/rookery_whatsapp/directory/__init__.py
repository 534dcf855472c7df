"""Reads and changes an account's people, groups and channels."""
