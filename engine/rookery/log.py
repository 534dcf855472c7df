"""Structured logging that configures nothing.

The engine logs through the standard library's `logging` under `rookery.*`, with fields as record attributes. An embedding
program sees what it configured for those loggers and nothing else; `rookery serve` renders them (H1, I1).
"""

from __future__ import annotations

import logging

import structlog
from structlog.typing import EventDict, WrappedLogger

Logger = structlog.stdlib.BoundLogger

_TAKEN = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime"}
"""Attributes of every record: `logging` raises KeyError for a field with one of these names."""

_MEANT = frozenset({"event", "exc_info", "stack_info", "stackLevel", "stacklevel"})
"""Names that are arguments of the call, not fields."""


def get_logger(component: str, **fields: object) -> Logger:
    """A logger of one component: SESSION, RECONNECT, HEALTH, MEMORY, DELIVERY or API."""
    logger: Logger = structlog.wrap_logger(
        logging.getLogger(f"rookery.{component.lower()}"),
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.processors.format_exc_info,
            _free_names,
            structlog.stdlib.render_to_log_kwargs,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        context_class=dict,
        cache_logger_on_first_use=False,
    ).bind(component=component, **fields)
    return logger


def _free_names(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Some field names come from a library; a reserved name gets an underscore, so that no log call fails."""
    for name in _TAKEN.intersection(event) - _MEANT:
        event[f"{name}_"] = event.pop(name)
    return event
