"""Declares settings that are text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from rookery.declaring import setting


def text(
    meaning: str,
    *,
    right: str,
    secret: bool = False,
    check: Callable[[str], object] | None = None,
    shown_default: str | None = None,
    **bounds: Any,
) -> msgspec.Meta:
    """Declare a text setting. A secret is never shown; `check` raises ValueError for what `bounds` cannot express."""
    declared = setting(meaning, right=right, shown_default=shown_default, **bounds)
    return msgspec.Meta(
        description=meaning, extra={**(declared.extra or {}), "secret": secret, "check": check}, **bounds
    )
