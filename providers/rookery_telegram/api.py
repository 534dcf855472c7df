"""Calls of one bot to the Bot API. The token stays in here: no error, log line or `repr` shows it."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import msgspec

from .errors import read_answer
from .transport import BotTransport

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 25.0  # the engine's own send deadline is a little longer

_encoder = msgspec.json.Encoder()


class BotApi:
    """The methods of one bot. Owned by its link, which closes it."""

    def __init__(self, token: str, base_url: str, ssl_context: ssl.SSLContext | None) -> None:
        url = httpx.URL(base_url)
        self._transport = BotTransport(url, ssl_context)
        self._prefix = f"{url.raw_path.decode().rstrip('/')}/bot{token}/"
        self._tail = (
            b" HTTP/1.1\r\nHost: " + self._transport.authority + b"\r\nContent-Type: application/json\r\n"
            b"Accept: application/json\r\nUser-Agent: Rookery\r\nContent-Length: "
        )
        self._upload_url = url.copy_with(raw_path=self._prefix.encode())

    def __repr__(self) -> str:
        return f"<BotApi {self._transport.authority.decode()}>"

    async def call(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        seconds: float = ANSWER_SECONDS,
        fresh: bool = False,
        on_sent: Callable[[], None] | None = None,
    ) -> msgspec.Raw:
        """One call with JSON; `seconds` is how long its answer may take. `on_sent` is called when the request has left.

        Raises ApiError (the server refused) and httpx.HTTPError (no answer).
        """
        body = _encoder.encode(params) if params else b"{}"
        request = b"POST %b%b%b%d\r\n\r\n%b" % (self._prefix.encode(), method.encode(), self._tail, len(body), body)
        answer = await self._transport.exchange(
            request, connect_seconds=CONNECT_SECONDS, read_seconds=seconds, fresh=fresh, on_sent=on_sent
        )
        return read_answer(answer.status, answer.headers, answer.body)

    async def upload(
        self, method: str, params: Mapping[str, Any], field: str, file: tuple[str, bytes, str]
    ) -> msgspec.Raw:
        """One call as multipart with a file `(name, content, media type)`. Raises like `call`."""
        fields = {
            key: value if isinstance(value, str) else _encoder.encode(value).decode() for key, value in params.items()
        }
        request = httpx.Request(
            "POST",
            self._upload_url.join(method),
            data=fields,
            files={field: file},
            headers={"user-agent": "Rookery", "accept": "application/json"},
            extensions={"timeout": {"connect": CONNECT_SECONDS, "read": ANSWER_SECONDS}},
        )
        response = await self._transport.handle_async_request(request)
        headers = {name.lower(): value for name, value in response.headers.raw}
        return read_answer(response.status_code, headers, response.content)

    async def aclose(self) -> None:
        """Close every connection."""
        await self._transport.aclose()
