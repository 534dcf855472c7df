"""The bodies of Bot API answers: `{"ok": true, ...}`, `{"ok": false, ...}` and the error that becomes one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from .http import answer, json_ok

encode = msgspec.json.Encoder().encode


class ApiError(Exception):
    """A call failed; `description` starts like `Bad Request: ` and is what the client gets."""

    def __init__(self, code: int, description: str, parameters: Mapping[str, Any] | None = None) -> None:
        super().__init__(code, description)
        self.code = code
        self.description = description
        self.parameters = parameters


class Described:
    """A result with the description that setWebhook and deleteWebhook add to theirs."""

    def __init__(self, result: object, description: str) -> None:
        self.result = result
        self.description = description


def too_many_requests(retry_after: int) -> ApiError:
    """The 429 that says how many seconds to wait."""
    return ApiError(429, f"Too Many Requests: retry after {retry_after}", {"retry_after": retry_after})


def success(result: object) -> bytes:
    """The whole HTTP answer for a result."""
    if isinstance(result, Described):
        return json_ok(encode({"ok": True, "result": result.result, "description": result.description}))
    return json_ok(b'{"ok":true,"result":' + encode(result) + b"}")


def success_raw(result: bytes) -> bytes:
    """The whole HTTP answer for a result that is JSON already."""
    return json_ok(b'{"ok":true,"result":' + result + b"}")


def failure(error: ApiError, *, extra_headers: Mapping[str, str] | None = None) -> bytes:
    """The whole HTTP answer for an error, with the error's code as its status."""
    body: dict[str, Any] = {"ok": False, "error_code": error.code, "description": error.description}
    headers = dict(extra_headers or {})
    if error.parameters:
        body["parameters"] = error.parameters
        if "retry_after" in error.parameters:
            headers["Retry-After"] = str(error.parameters["retry_after"])
    return answer(error.code, encode(body), headers=headers)
