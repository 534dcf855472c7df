"""Releases what is left of a session whose authorisation has ended: once, bounded, catching every error (D1, D2)."""

from __future__ import annotations

from collections.abc import Mapping

import trio

from ..errors import NotFound, RookeryError, StoreError
from ..log import get_logger
from ..model.session import Session, SessionChange
from ..provider.capabilities import Forgetful
from ..provider.contract import Inbox, Provider
from ..services import Services

log = get_logger("SESSION")


async def forget(provider: Provider | None, session: Session, *, seconds: float) -> Mapping[str, str] | None:
    """Let the provider release what it keeps for the session, without logging out again.

    Returns the remaining credentials; None when the platform keeps nothing or the release failed. Shielded for at most
    `seconds`; never raises.
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


async def clean_up(provider: Provider, session: Session, inbox: Inbox, services: Services) -> None:
    """Release what belonged to the authorisation and disable the session (D2). Shielded and bounded; never raises."""
    left = await forget(provider, session, seconds=services.settings.logout_timeout)
    with services.shields.open(services.settings.store_timeout):
        try:
            if left is not None:
                await inbox.save_credentials(left)
            await services.store.update_session(session.id, SessionChange(enabled=False), now=services.clock())
        except (StoreError, NotFound) as error:
            log.error("a logout could not be stored", session=session.id, error=str(error))
