"""The access log: one structured line a request, without query strings and headers (either may hold secrets)."""

from __future__ import annotations

import logging
from typing import Any

from hypercorn.logging import Logger

from rookery.log import get_logger

log = get_logger("API")

QUIET_PATHS = frozenset({"/healthz", "/readyz"})


def level_of(path: str, status: int) -> int:
    """DEBUG for what went well, INFO for the client's mistakes, WARNING for ours."""
    if status >= 500 and path not in QUIET_PATHS:
        return logging.WARNING
    if status >= 400 and path not in QUIET_PATHS:
        return logging.INFO
    return logging.DEBUG


class AccessLog(Logger):
    """hypercorn's logger with our access lines."""

    async def access(self, request: Any, response: Any, request_time: float) -> None:
        """Called after each answer; `response` is None when the client left before there was one."""
        status = int(response["status"]) if response is not None else 499
        level = level_of(request["path"], status)
        if log.isEnabledFor(level):
            client = request.get("client")
            log.log(
                level,
                "request",
                method=request.get("method", "GET"),
                path=request["path"],
                status=status,
                milliseconds=round(request_time * 1000, 1),
                client=client[0] if client else None,
            )
