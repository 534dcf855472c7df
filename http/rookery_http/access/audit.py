"""Which requests go into the audit log: every recognised caller's request that is not a read, with its outcome.

Requests beyond a key's rate are left out: they change nothing, and would push out the entries that matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rookery import Engine
from rookery.model.key import Scope

from ..call_table import Call
from .callers import Caller

MAX_TARGET = 64
"""Characters of a method's name."""


def audit(
    engine: Engine, row: Call, caller: Caller, client: str | None, arguments: Mapping[str, Any], status: int
) -> None:
    """Note one answered request. Never blocks."""
    if row.scope is None or row.scope is Scope.READ or (row.scope is Scope.ADMIN and row.method == "GET"):
        return
    id = arguments.get("id")
    body = arguments.get("body")
    of_session = row.path.startswith("/v1/sessions/{id}")
    session = id if of_session else body.get("session") if isinstance(body, dict) else getattr(body, "session", None)
    if not isinstance(session, str):  # absent from a change
        session = None
    target: Any = id or getattr(body, "id", None)
    if of_session:
        target = arguments.get("method") or (body.get("method") if isinstance(body, dict) else None)
        target = target[:MAX_TARGET] if isinstance(target, str) else None
    engine.audit(key=caller.id, call=row.name, session=session, target=target, outcome=status, client=client)
