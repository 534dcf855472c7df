"""How many rows one statement inserts."""

from __future__ import annotations

CHUNKS = (100, 10, 1)
"""Rows of the statements that insert many rows. One statement for many rows takes three quarters of the time: the thread
gives up the interpreter's lock once, not for each row. A few fixed sizes keep the statements prepared."""
