"""Direct calls of a platform's own methods, outside the queue of sends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ...errors import InvalidInput, NotConnected, NotFound, OutcomeUnknown, Rejected, RookeryError, SendRateLimited
from ...model.content import media_in
from ...model.media import MediaState
from ...model.session import Session
from ...provider.capabilities import MethodCalling, MethodProvider, QueryAnswering, ServerLeaving
from ..media import MediaFeatures
from ..sessions import SessionFeatures
from ..validation import check_numbers

CALL_SECONDS = 90.0
"""Seconds that a call may take on another instance: connecting, sending files and waiting for the answer."""


class PlatformMethodFeatures(SessionFeatures, MediaFeatures):
    """A call is made at once, whatever waits in the session's queue."""

    async def call(self, session: str, method: str, params: Mapping[str, Any] | None = None) -> Any:
        """Call a method of the session's platform and return the platform's result unchanged.

        `params` are the method's own; where one takes a file, `"media:ID"` uploads a stored file (`media:event-N` the
        file of a received message). The call is made once and not stored: a caller that leaves early does not learn the
        result.

        Raises InvalidInput, NotFound (no such session, method or file), MethodForbidden, NotConnected, CallRefused,
        SendRateLimited, OutcomeUnknown, OwnerUnavailable, StoreError.
        """
        params = dict(params or {})
        try:
            encoded = msgspec.json.encode(params)
        except (TypeError, ValueError, OverflowError, RecursionError):
            raise InvalidInput("params: only JSON values of moderate depth can be sent", field="params") from None
        check_numbers(params, encoded, "params")
        result = await self._where_it_runs(
            session, self._call_here, bytes, seconds=CALL_SECONDS, method=method, params=encoded
        )
        return msgspec.json.decode(result)

    def _serve_method_calls(self) -> None:
        """Make calls for other instances; answers to queries do not wait for slow calls."""

        def is_urgent(call: dict[str, Any]) -> bool:
            runner = self._supervisor.running.get(call["session"])
            provider = None if runner is None else self._providers.get(runner.session.platform)
            return isinstance(provider, QueryAnswering) and provider.answers_query(call["arguments"]["method"])

        self._serve_owner_calls(self._call_here, is_urgent=is_urgent)

    async def leave_server(self, session: str, how: str | None = None) -> Session:
        """Leave the platform's server, so that the account can move to another one; the session is stopped.

        What the server still holds is stored first. Telegram: `how` is the method, `logOut` (the default, when leaving the
        public server) or `close` (when leaving a server of your own). Afterwards change the server's address and start
        the session.

        Raises NotFound, InvalidInput, NotConnected, CallRefused, SendRateLimited, OutcomeUnknown, OwnerUnavailable,
        StoreError; except after OutcomeUnknown, the session goes on where it is.
        """
        await self._where_it_runs(session, self._leave_server_here, None, seconds=CALL_SECONDS, how=how)
        return await self.get_session(session)

    async def _leave_server_here(self, id: str, how: str | None) -> None:
        link = await self._link_of(id)
        if not isinstance(link, ServerLeaving):
            raise InvalidInput(f"the platform of the session {id!r} has no servers to choose from", field="id")
        try:
            await link.leave_server(how)
        except OutcomeUnknown:
            await self.stop(id)
            raise
        await self.stop(id)

    async def _call_here(self, id: str, method: str, params: bytes) -> bytes:
        row = await self._store.get_session(id)
        provider = self._providers.get(row.platform)
        if not isinstance(provider, MethodProvider):
            raise InvalidInput(f"the platform {row.platform!r} has no methods that can be called", field="method")
        decoded = msgspec.json.decode(params)
        label = provider.check_call(method, decoded)
        outcome = "failed"
        try:
            with self.telemetry.timed("call", row.platform):
                result = await self._make_call(id, row.platform, method, await self._with_files(decoded))
        except RookeryError as error:
            outcome = _outcome(error)
            raise
        else:
            outcome = "ok"
            return result
        finally:
            self.telemetry.count("calls", row.platform, label, outcome)

    async def _make_call(self, id: str, platform: str, method: str, params: dict[str, Any]) -> bytes:
        link = await self._link_of(id)
        if not isinstance(link, MethodCalling):
            raise InvalidInput(f"the platform {platform!r} has no methods that can be called", field="method")
        return await link.call(method, params)

    async def _with_files(self, params: dict[str, Any]) -> dict[str, Any]:
        """Check that each file exists, and fetch the files of received messages. Raises NotFound, InvalidInput."""
        for id in media_in(params):
            file = await self.stored_media(id)
            if file.state is not MediaState.STORED:
                raise InvalidInput(f"the file {id!r} is not stored", field="params")
        return params


def _outcome(error: RookeryError) -> str:
    match error:
        case SendRateLimited():
            return "rate_limited"
        case OutcomeUnknown():
            return "unknown"
        case NotConnected():
            return "not_connected"
        case InvalidInput() | NotFound() | Rejected():
            return "refused"
    return getattr(error, "code", "failed")
