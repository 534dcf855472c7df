"""Makes excessively nested JSON harmless: every decoder gives up at some depth."""

from __future__ import annotations

import re

import msgspec

MAX_DEPTH = 100
"""The Bot API's own objects stay below twenty."""

_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*+(?:"|\Z)|[\[{\]}]', re.DOTALL)


def is_suspicious(raw: bytes) -> bool:
    """True when `raw` may be deeper than `MAX_DEPTH`; cheap."""
    return raw.count(b"[") + raw.count(b"{") > MAX_DEPTH


def flatten(raw: bytes, *, depth: int = MAX_DEPTH) -> bytes:
    """The same JSON with each list and object below `depth` replaced by a string that holds its text.

    Never raises; invalid JSON comes back in some form that is not JSON either.
    """
    parts: list[bytes] = []
    level = kept = start = 0
    for match in _TOKEN.finditer(raw):
        sign = match.group()[:1]
        if sign in b"[{":
            level += 1
            if level == depth + 1:
                start = match.start()
        elif sign in b"]}":
            level -= 1
            if level == depth:
                text = raw[start : match.end()].decode(errors="replace")
                parts += (raw[kept:start], msgspec.json.encode(text))
                kept = match.end()
    parts.append(raw[kept:])
    return b"".join(parts)
