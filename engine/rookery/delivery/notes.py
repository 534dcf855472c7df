"""Writes down how deliveries to one webhook go: not each one, but what was last, once in a while."""

from __future__ import annotations

from contextlib import suppress

import trio

from ..errors import StoreError
from ..webhook_facts import DeliveryNote, WebhookFactsStore

INTERVAL = 2.0  # seconds between two notes


class Notes:
    """Owned by an endpoint."""

    def __init__(self, webhook: str, store: WebhookFactsStore) -> None:
        self._webhook = webhook
        self._store = store
        self._success: float | None = None
        self._error: str | None = None
        self._error_at: float | None = None
        self._wake = trio.Event()
        self._closed = False

    def add(self, at: float, error: str | None) -> None:
        """One attempt ended. Never blocks."""
        if error is None:
            self._success = at
        else:
            self._error, self._error_at = error, at
        self._wake.set()

    def close(self) -> None:
        """Let `run` write what is left and end."""
        self._closed = True
        self._wake.set()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until closed or cancelled. The first note goes at once, so that a new webhook shows what happened."""
        task_status.started()
        while True:
            await self._wake.wait()
            self._wake = trio.Event()
            note = DeliveryNote(last_success_at=self._success, last_error=self._error, last_error_at=self._error_at)
            self._success = self._error = self._error_at = None
            if note != DeliveryNote():
                with suppress(StoreError):  # the next one tells more
                    await self._store.note_deliveries(self._webhook, note)
            if self._closed:
                return
            await trio.sleep(INTERVAL)
