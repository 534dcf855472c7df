"""How a fault changes the answer to one request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus

import trio

from .faults import Fault, Faults
from .wire.answers import ApiError, encode, failure
from .wire.connection import BotApiConnection
from .wire.http import answer, json_ok

# The texts of the service's front end for codes that the Bot API server does not answer itself.
DESCRIPTIONS = {
    401: "Unauthorized",
    403: "Forbidden: bot was blocked by the user",
    404: "Not Found",
    409: "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
    421: "Misdirected Request: unallowed token specified",
    500: "Internal Server Error: restart",
}


async def strike(
    faults: Faults, token: str, method: str, connection: BotApiConnection, perform: Callable[[], Awaitable[bytes]]
) -> bytes | None:
    """Answer a request, with the faults that strike it: delays add up, the first other fault decides. None: hang up."""
    after = 0
    while (fault := faults.hit(token, method, after=after)) is not None:
        if fault.kind != "delay":
            return await _spoil(fault, connection, perform)
        if fault.is_applied:
            response = await perform()
            await _wait(fault, method, connection)
            return response
        await _wait(fault, method, connection)
        after = fault.id
    return await perform()


async def _wait(fault: Fault, method: str, connection: BotApiConnection) -> None:
    if method == "getupdates":
        await connection.pause(fault.seconds)
    else:
        # A call that has arrived takes effect even if its client gives up meanwhile.
        await trio.sleep(fault.seconds)


async def _spoil(fault: Fault, connection: BotApiConnection, perform: Callable[[], Awaitable[bytes]]) -> bytes | None:
    response = b""
    if fault.is_applied or fault.kind in ("lost_answer", "truncated", "half_close"):
        response = await perform()
    match fault.kind:
        case "drop" | "lost_answer":
            if fault.reset:
                connection.reset()
            return None
        case "truncated":
            await connection.send(_first_half(response))
            return None
        case "half_close":
            await connection.send(_first_half(response))
            await connection.pause(fault.seconds)
            return None
        case "garbage":
            return json_ok(fault.body.encode())
        case "not_ok":
            description = fault.description or "Bad Request: something is wrong"
            code = fault.status if fault.status >= 400 else 400
            return json_ok(encode({"ok": False, "error_code": code, "description": description}))
        case _:
            return _status(fault)


def _first_half(response: bytes) -> bytes:
    head, separator, body = response.partition(b"\r\n\r\n")
    return head + separator + body[: len(body) // 2]


def _status(fault: Fault) -> bytes:
    code, parameters = fault.status, dict(fault.parameters)
    if fault.retry_after is not None or code == 429:
        parameters.setdefault("retry_after", fault.retry_after if fault.retry_after is not None else 1)
    if 300 <= code < 400:
        return answer(code, b"", content_type="text/html", headers={"Location": "/moved"} | fault.headers)
    if code in (502, 504) and not fault.description:
        title = f"{code} {HTTPStatus(code).phrase}"
        page = f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n"
        return answer(code, (page + "<hr><center>nginx/1.18.0</center>\r\n</body>\r\n</html>\r\n").encode(),
                      content_type="text/html", headers=fault.headers)  # fmt: skip
    description = fault.description
    if not description and code == 429:
        description = f"Too Many Requests: retry after {parameters['retry_after']}"
    description = description or DESCRIPTIONS.get(code) or f"Bad Request: fault {code}"
    return failure(ApiError(code, description, parameters), extra_headers=fault.headers)
