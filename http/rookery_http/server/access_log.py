"""The access log: one structured line per request, without query strings, headers and the tokens of pairing pages, which may
all hold secrets."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

from rookery.log import get_logger

log = get_logger("API")

QUIET_PATHS = frozenset({"/healthz", "/readyz"})


SECRET_PATH = re.compile(r"/pair/.+", re.DOTALL)
"""The path of a pairing page, also with something behind its token, which lets anybody link a device."""


def level_of(path: str, status: int) -> int:
    """DEBUG for success, INFO for the client's mistakes, WARNING for the server's."""
    if status >= 500 and path not in QUIET_PATHS:
        return logging.WARNING
    if status >= 400 and path not in QUIET_PATHS:
        return logging.INFO
    return logging.DEBUG


def write(scope: Mapping[str, Any], status: int, seconds: float) -> None:
    """Log one request; status 499 when the client left before the answer."""
    path = SECRET_PATH.sub("/pair/...", scope["path"])
    level = level_of(path, status)
    if log.isEnabledFor(level):
        client = scope.get("client")
        log.log(
            level,
            "request",
            method=scope.get("method", "GET"),
            path=path,
            status=status,
            milliseconds=round(seconds * 1000, 1),
            client=client[0] if client else None,
        )
