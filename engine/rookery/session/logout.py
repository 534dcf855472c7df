"""The logout of a running session, and the release of what its ended authorisation leaves behind (D1, D2).

Both run once, are bounded, and catch every error, so that a failed logout affects no other session.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import trio

from ..errors import NotFound, RookeryError, StoreError
from ..log import get_logger
from ..model.session import Session, SessionChange
from ..provider.capabilities import Forgetful, LogoutCapable
from ..provider.contract import Inbox, Link, Provider
from ..runtime.signals import Flag
from ..services import Services

log = get_logger("SESSION")


class Logout:
    """The logout of one running session, which its runner starts at most once."""

    __slots__ = (
        "_session",
        "_settings",
        "_started",
        "confirmed",
    )

    def __init__(self, session: Session, services: Services) -> None:
        self._session = session.id
        self._settings = services.settings
        self._started = False
        self.confirmed: bool | None = None  # by the platform; None: no logout was attempted

    def start(self, nursery: trio.Nursery, link: Link, *, then: Callable[[], object]) -> None:
        """Log out in the link's nursery, so that cancelling a caller does not interrupt it half-way; then call `then`."""
        if not self._started:
            self._started = True
            nursery.start_soon(self._run, link, then)

    async def _run(self, link: Link, then: Callable[[], object]) -> None:
        try:
            if isinstance(link, LogoutCapable):
                self.confirmed = False
                with trio.move_on_after(self._settings.logout_timeout):
                    await link.logout()
                    self.confirmed = True
        except Exception as error:  # a failed logout must not affect other sessions (D1)
            log.warning("the platform refused the logout", session=self._session, error=str(error))
        finally:
            then()

    async def settle(self, wake: Flag) -> None:
        """Give the platform a moment to finish the logout (D1), unless the operator starts the session again."""
        with trio.move_on_after(self._settings.logout_settle):
            await wake.wait()


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
