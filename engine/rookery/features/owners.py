"""Runs calls on the instance that owns the session, whichever instance received the request (E5)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
import trio

from ..assembly import EngineParts
from ..cluster.calls import NotHere
from ..errors import NotConnected, OwnerUnavailable
from ..provider.contract import Link

T = TypeVar("T")

ATTEMPTS = 5
"""How often the owner of a session is looked up while the session moves between instances."""

MOVING_DELAY = 0.2  # seconds between two look-ups


class OwnerCalls(EngineParts):
    """A feature named `x` has a method `_x_here`, called in the instance that runs the session."""

    async def _where_it_runs(
        self,
        id: str,
        here: Callable[..., Awaitable[T]],
        kind: Any,
        *,
        seconds: float | None = None,
        **arguments: Any,
    ) -> T:
        """Run `here(id, **arguments)` in the instance that runs the session, or in this one when none does.

        `kind` is the type of the result. Raises what `here` raises; NotFound, OwnerUnavailable, StoreError.
        """
        for _ in range(ATTEMPTS):
            owner = (await self._store.get_session(id)).owner
            if self._cluster is None or owner is None or owner == self.instance:
                return await here(id, **arguments)
            try:
                result = await self._cluster.router.call(
                    owner, _name(here), seconds=seconds, session=id, arguments=arguments
                )
            except NotHere:
                await trio.sleep(MOVING_DELAY)
            else:
                found: T = msgspec.convert(result, kind)
                return found
        raise OwnerUnavailable(f"the session {id!r} is moving to another instance", retry_after=1.0)

    async def _link_of(self, id: str) -> Link:
        """The link of a session that runs here. Raises NotFound, NotConnected."""
        runner = self._supervisor.running.get(id)
        link = runner.link if runner is not None else None
        if link is None:
            session = self._with_latest(await self._store.get_session(id))
            raise NotConnected(
                f"the session {id!r} is {session.health.status} ({session.health.reason}): {session.health.detail}"
            )
        return link

    def _serve_owner_calls(
        self, *handlers: Callable[..., Awaitable[Any]], is_urgent: Callable[[dict[str, Any]], bool] | None = None
    ) -> None:
        """Answer these `_x_here` methods for other instances. `is_urgent`: see `Router.handle`."""
        if self._cluster is not None:
            for handler in handlers:
                self._cluster.router.handle(_name(handler), self._owner_call(handler), is_urgent=is_urgent)

    def _owner_call(self, here: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def handle(session: str, arguments: dict[str, Any]) -> Any:
            if session not in self._supervisor.running:
                raise NotHere(session)
            return await here(session, **arguments)

        return handle


def _name(here: Callable[..., Awaitable[Any]]) -> str:
    return str(here.__name__).strip("_").removesuffix("_here")
