"""Structured logging that configures nothing.

The engine logs through the standard library's `logging` under `rookery.*`, with fields as record attributes. An embedding
program sees what it configured for those loggers and nothing else; `rookery serve` renders them (H1, I1).
"""

from __future__ import annotations

import logging

import structlog

Logger = structlog.stdlib.BoundLogger


def get_logger(component: str, **fields: object) -> Logger:
    """A logger of one component: SESSION, RECONNECT, HEALTH, MEMORY, DELIVERY or API."""
    logger: Logger = structlog.wrap_logger(
        logging.getLogger(f"rookery.{component.lower()}"),
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.processors.format_exc_info,
            structlog.stdlib.render_to_log_kwargs,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        context_class=dict,
        cache_logger_on_first_use=False,
    ).bind(component=component, **fields)
    return logger
