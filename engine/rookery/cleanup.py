"""What is left of a session whose authorisation has ended: released once, bounded, with every error caught (D1, D2)."""

from __future__ import annotations

from collections.abc import Mapping

import trio

from .errors import RookeryError
from .log import get_logger
from .model import Session
from .provider import Forgetful, Provider

log = get_logger("SESSION")


async def forget(provider: Provider | None, session: Session, *, seconds: float) -> Mapping[str, str] | None:
    """Let the provider release what it keeps for the session, without logging out again.

    Returns the credentials that are left, None when the platform keeps nothing or it failed. Shielded for `seconds` at
    most; never raises.
    """
    if not isinstance(provider, Forgetful):
        return None
    with trio.CancelScope(shield=True, deadline=trio.current_time() + seconds):
        try:
            return await provider.forget(session)
        except RookeryError as error:
            log.warning("a dead session could not be cleaned up", session=session.id, error=str(error))
            return None
        except Exception:
            log.exception("a dead session could not be cleaned up", session=session.id)
            return None
    log.warning("a dead session was not cleaned up in time", session=session.id)
    return None
