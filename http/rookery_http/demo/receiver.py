"""The demo's webhook endpoint, in place of a user's own program. Checks each signature and answers each text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx
import msgspec
import trio
from standardwebhooks import Webhook

RETRY_EVERY = 0.2
"""Seconds between two attempts to reach the API while it is being replaced."""

SENT = ("sent", "delivered", "read")


class Receiver:
    """An ASGI application. Counts what arrives and echoes texts through the HTTP API."""

    def __init__(self, nursery: trio.Nursery, api: httpx.AsyncClient, tell: Callable[[dict[str, Any]], None]) -> None:
        self.secret = ""
        self.deliveries: Counter[int] = Counter()  # by event id
        self.echoes = 0
        self.retries = 0
        self.bad_signatures = 0
        self._nursery = nursery
        self._api = api
        self._tell = tell

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer 204 at once; the work happens afterwards."""
        if scope["type"] != "http":
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        status = 204 if self._take(body, {key.decode(): value.decode() for key, value in scope["headers"]}) else 400
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    def _take(self, body: bytes, headers: dict[str, str]) -> bool:
        try:
            Webhook(self.secret).verify(body, headers)
        except Exception:
            self.bad_signatures += 1
            return False
        event = msgspec.json.decode(body)["data"]
        self.deliveries[event["id"]] += 1
        if event["type"] == "message":
            self._tell(event)
            self._nursery.start_soon(self._echo, event)
        return True

    async def _echo(self, event: dict[str, Any]) -> None:
        """Send the echo, retrying until it is sent; the idempotency key makes a repetition harmless."""
        path = f"/v1/sessions/{event['session']}/messages"
        message = {"to": event["chat"], "text": f"You said: {event['body']['text']}"}
        while True:
            try:
                answer = await self._api.post(
                    path, json=message, headers={"Idempotency-Key": f"echo-{event['id']}"}, timeout=15
                )
            except httpx.HTTPError:  # no server is listening at this moment
                self.retries += 1
            else:
                if answer.status_code == 200 and answer.json()["state"] in SENT:
                    self.echoes += 1
                    return
                self.retries += 1
            await trio.sleep(RETRY_EVERY)
