"""Sessions: creating, changing, starting and stopping them."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec
import trio

from ..errors import AlreadyExists, InvalidInput, LimitReached, NotFound, OwnerUnavailable, StoreError
from ..model.session import Health, ProofOfLife, Reason, Session, SessionChange, SessionQuery, SessionStatus, Transition
from ..session.logout import forget
from ..session.stop import Intent
from .owners import OwnerCalls
from .validation import check_credentials, check_document, check_id, check_text

LIFE_TIMEOUT = 2.0
"""Seconds that another instance has to report when a session last lived."""


class DeleteReport(msgspec.Struct, frozen=True):
    """The result of a deletion. `logged_out` is None when there was no link to log out from, or nothing to log out
    of."""

    id: str
    deleted: bool
    was_running: bool
    logged_out: bool | None
    detail: str


class SessionFeatures(OwnerCalls):
    """Every method is legal in every state and idempotent (A4)."""

    async def create_session(
        self,
        *,
        platform: str,
        id: str | None = None,
        name: str | None = None,
        credentials: Mapping[str, str] | None = None,
        settings: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        enabled: bool = True,
        exist_ok: bool = False,
    ) -> Session:
        """Store a new session; an enabled one starts soon.

        With `exist_ok`, an existing session with this id is returned unchanged.

        Raises InvalidInput, AlreadyExists, LimitReached.
        """
        provider = self._providers.get(platform)
        if provider is None:
            known = ", ".join(sorted(self._providers))
            raise InvalidInput(f"platform: {platform!r} is not one of: {known}", field="platform")
        id = check_id(id) if id is not None else f"{platform}-{secrets.token_hex(5)}"
        checked_credentials = check_credentials(credentials or {})
        checked_settings = check_document(settings or {}, "settings")
        provider.check(checked_credentials, checked_settings)
        now = self._clock()
        session = Session(
            id=id,
            platform=platform,
            name=check_text(name, "name") if name is not None else id,
            enabled=enabled,
            credentials=checked_credentials,
            settings=checked_settings,
            metadata=check_document(metadata or {}, "metadata"),
            health=Health(
                status=SessionStatus.DISCONNECTED, reason=Reason.CREATED, detail="not started yet", since=now
            ),
            created_at=now,
            updated_at=now,
        )
        try:
            async with self._admission(id, wanted=enabled):
                session = await self._store.create_session(session)
        except (AlreadyExists, LimitReached):
            if exist_ok:
                with suppress(NotFound):
                    return await self.get_session(id)
            raise
        self._supervisor.nudge(id)
        return session

    async def get_session(self, id: str) -> Session:
        """Raises NotFound."""
        return self._with_latest(await self._store.get_session(id))

    async def list_sessions(self, query: SessionQuery | None = None) -> Sequence[Session]:
        """Ordered by id; the last session's id is the cursor of the next page."""
        return [self._with_latest(session) for session in await self._store.list_sessions(query or SessionQuery())]

    async def update_session(self, id: str, change: SessionChange) -> Session:
        """Change the columns that belong to the operator. New credentials or settings replace a running link.

        Raises NotFound, InvalidInput, LimitReached.
        """
        before = await self._store.get_session(id)
        fields: dict[str, Any] = {}
        if change.name is not msgspec.UNSET:
            fields["name"] = check_text(change.name, "name")
        if change.metadata is not msgspec.UNSET:
            fields["metadata"] = check_document(change.metadata, "metadata")
        if change.credentials is not msgspec.UNSET:
            fields["credentials"] = check_credentials(change.credentials)
        if change.settings is not msgspec.UNSET:
            fields["settings"] = check_document(change.settings, "settings")
        if "credentials" in fields or "settings" in fields:
            if provider := self._providers.get(before.platform):
                provider.check(fields.get("credentials", before.credentials), fields.get("settings", before.settings))
            fields["restart"] = (
                fields.get("credentials", before.credentials) != before.credentials
                or fields.get("settings", before.settings) != before.settings
            )
        if change.enabled is not msgspec.UNSET:
            fields["enabled"] = change.enabled
        fields["command"] = change.command or bool(change.enabled is True)
        fields["restart"] = change.restart or fields.get("restart", False)
        async with self._admission(id, wanted=change.enabled is True and not before.enabled):
            return await self._change(id, SessionChange(**fields))

    async def delete_session(self, id: str) -> DeleteReport:
        """Log out when connected (where the platform supports it), stop, and remove the row, even if an earlier step
        failed (D3).

        The session's events stay in the log until they are pruned. Raises NotFound.
        """
        try:
            seconds = self._ending_timeout + self.settings.call_timeout
            return await self._where_it_runs(id, self._delete_here, DeleteReport, seconds=seconds)
        except OwnerUnavailable as error:
            report = await self._delete_here(id)  # the row is deleted in any case; a running owner notices
            detail = f"{report.detail}; it was not logged out: {error}"
            return msgspec.structs.replace(report, was_running=True, logged_out=False, detail=detail)

    @property
    def _ending_timeout(self) -> float:
        """Seconds that a session may take to log out and end."""
        return self.settings.logout_timeout + self.settings.link_close_timeout + self.settings.store_timeout

    async def _delete_here(self, id: str) -> DeleteReport:
        before = await self._store.get_session(id)
        runner = self._supervisor.running.get(id)
        ended = True
        with self._supervisor.left_alone(id):
            if runner is not None:
                runner.stop(Intent.DELETE)
                with trio.move_on_after(self._ending_timeout) as scope:
                    await self._supervisor.ended(id)
                ended = not scope.cancelled_caught
            await forget(
                self._providers.get(before.platform),
                before if runner is None else runner.session,
                seconds=self.settings.logout_timeout,
            )
            try:
                deleted = await self._store.delete_session(id)
            finally:
                self._signals.webhooks.fire()  # when it fails, its webhooks may be disabled
        self._board.forget(id)
        self._supervisor.nudge(id)
        logged_out = runner.logged_out if runner is not None else None
        detail = "deleted" if ended else "deleted, though the link did not close within its deadline"
        if logged_out is False:
            detail += "; the platform did not confirm the logout"
        return DeleteReport(id, deleted, runner is not None, logged_out, detail)

    async def start(self, id: str) -> Session:
        """Enable the session and try to connect now. Clears a terminal reason. Raises NotFound, LimitReached."""
        return await self.update_session(id, SessionChange(enabled=True))

    async def enable(self, id: str) -> Session:
        """The same as `start`."""
        return await self.start(id)

    async def stop(self, id: str) -> Session:
        """Disable the session and disconnect; it stays down across restarts until it is started. Raises NotFound."""
        return await self._change(id, SessionChange(enabled=False))

    async def disable(self, id: str) -> Session:
        """The same as `stop`."""
        return await self.stop(id)

    async def restart(self, id: str) -> Session:
        """Replace the link with a new one; a disabled session is enabled. Raises NotFound, LimitReached."""
        return await self.update_session(id, SessionChange(enabled=True, restart=True))

    async def retry(self, id: str) -> Session:
        """End a wait early and forget earlier failures; live links and disabled sessions are left alone. Raises
        NotFound."""
        return await self._change(id, SessionChange(command=True))

    async def logout(self, id: str) -> Session:
        """End the authorisation at the platform where it supports that, and disconnect; the session stays, disabled.

        A Telegram bot has nothing to log out of (Bot API `logOut` would drop its updates): it is stopped and keeps its
        token. Raises NotFound, OwnerUnavailable.
        """
        seconds = self._ending_timeout + self.settings.call_timeout
        await self._where_it_runs(id, self._logout_here, None, seconds=seconds)
        return await self.get_session(id)

    async def _logout_here(self, id: str) -> None:
        session = await self._store.get_session(id)
        runner = self._supervisor.running.get(id)
        if runner is not None:
            runner.stop(Intent.LOGOUT)
            with trio.move_on_after(self.settings.logout_timeout + self.settings.link_close_timeout):
                await self._supervisor.ended(id)
            session = await self._store.get_session(id)
        # A session that was already ending did not see the request, so what it would have cleaned up is still there.
        unheard = runner is None or session.enabled
        if unheard and session.owner is None and self.settings.auto_cleanup_on_logout:
            left = await forget(self._providers.get(session.platform), session, seconds=self.settings.logout_timeout)
            if left is not None:
                await self._change(id, SessionChange(enabled=False, credentials=left))
                return
        if self.settings.auto_cleanup_on_logout:
            await self.stop(id)

    async def history(self, id: str) -> Sequence[Transition]:
        """The last 50 status changes, newest first. Raises NotFound."""
        return await self._store.history(id)

    def proof_of_life(self, id: str) -> ProofOfLife | None:
        """When the session last showed that it is alive; None when it does not run in this instance."""
        runner = self._supervisor.running.get(id)
        return runner.inbox.life if runner is not None else None

    async def find_proof_of_life(self, id: str) -> ProofOfLife | None:
        """The same from whichever instance runs the session; None when none does, or when it does not answer in
        time."""
        if id in self._supervisor.running or self._cluster is None:
            return self.proof_of_life(id)
        try:
            return await self._where_it_runs(id, self._life_here, ProofOfLife | None, seconds=LIFE_TIMEOUT)
        except (NotFound, OwnerUnavailable, StoreError):
            return None

    async def _life_here(self, id: str) -> ProofOfLife | None:
        return self.proof_of_life(id)

    async def wait_status(self, id: str, *statuses: SessionStatus) -> Session:
        """Return as soon as the session has one of these statuses. The caller sets the deadline. Raises NotFound."""
        while True:
            version = self._signals.sessions.version
            session = await self.get_session(id)
            if session.health.status in statuses:
                return session
            with trio.move_on_after(1.0):  # writes by another instance raise no signal here
                await self._signals.sessions.newer_than(version)

    async def _change(self, id: str, change: SessionChange) -> Session:
        session = await self._store.update_session(id, change, now=self._clock())
        self._supervisor.nudge(id)
        return self._with_latest(session)

    @asynccontextmanager
    async def _admission(self, id: str, *, wanted: bool) -> AsyncIterator[None]:
        """Store the change that enables one more session inside this block. Concurrent callers are admitted one after
        another, so that together they do not exceed the limit. Raises LimitReached, when `wanted`."""
        if not wanted:
            yield
            return
        self._memory.admit()
        self._supervisor.descriptors.admit()
        limit = self.settings.max_concurrent_sessions if self._cluster is None else self._cluster.membership.capacity
        if limit is None:
            yield
            return
        async with self._admitting:
            await self._check_limit(limit, besides=id)
            yield

    async def _check_limit(self, limit: int, *, besides: str) -> None:
        counts = await self._store.count_sessions()
        enabled = sum(count for (_, _, is_enabled), count in counts.items() if is_enabled)
        if enabled >= limit:
            raise LimitReached(
                f"{enabled} sessions are enabled and `max_concurrent_sessions` is {limit}: "
                f"stop another one or raise the limit before starting {besides!r}",
                limit="max_concurrent_sessions",
            )
