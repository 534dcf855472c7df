"""The responses of the application: their headers, their sending, and the one place where every error becomes a problem."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import Any

from quart import Response
from quart.utils import encode_headers
from werkzeug.exceptions import HTTPException

from rookery.errors import RookeryError
from rookery.log import get_logger

from .call_table import JSON
from .output.problems import MEDIA_TYPE, Problem, from_error

log = get_logger("API")

HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
JSON_HEADERS = [
    (b"content-type", JSON.encode()),
    *((name.lower().encode(), value.encode()) for name, value in HEADERS.items()),
]


async def send_response(send: Any, response: Any) -> None:
    """Send a response of Quart over ASGI, piece by piece."""
    start = {"type": "http.response.start", "status": response.status_code, "headers": encode_headers(response.headers)}
    await send(start)
    last: bytes | None = None  # one piece late, so that an answer of one piece is complete when it is sent
    async with response.response as pieces:
        async for piece in pieces:
            if last is not None:
                await send({"type": "http.response.body", "body": last, "more_body": True})
            data = piece.encode() if isinstance(piece, str) else piece
            if response.timeout is None:
                await send({"type": "http.response.body", "body": data, "more_body": True})
            else:
                last = data
    await send({"type": "http.response.body", "body": last or b"", "more_body": False})


def finished(response: Response) -> Response:
    """Add the headers that every answer has."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def bare(response: Response) -> Response:
    """The headers of an answer, for HEAD, without its body: reading a stream's body would start the stream."""
    length = response.headers.get("Content-Length")
    bare = Response(b"", response.status_code, response.headers)
    if length is not None:
        bare.headers["Content-Length"] = length
    else:
        bare.headers.pop("Content-Length", None)
    return finished(bare)


def not_allowed(calls: Iterable[str]) -> Problem:
    """The problem of a method that a path does not have; `calls` are the methods that it has."""
    allowed = ", ".join(sorted(calls))
    return Problem(
        405, "method-not-allowed", "Method not allowed", f"this path allows {allowed}", headers={"Allow": allowed}
    )


def problem_of(error: BaseException) -> Problem:
    """The problem to answer with. A bug is logged with an id, and the answer contains only that id."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    match error:
        case Problem():
            return error
        case HTTPException() if error.code == 405:
            return not_allowed(dict.fromkeys(getattr(error, "valid_methods", None) or ()))
        case HTTPException() if error.code == 404:
            return Problem(404, "not-found", "Not found", "there is no such path; see /openapi.json")
        case HTTPException() if error.code is not None and error.code < 500:
            title = error.name
            return Problem(error.code, title.lower().replace(" ", "-"), title, error.description or title)
        case RookeryError():
            problem = from_error(error)
            if problem is not None:
                return problem
    error_id = secrets.token_hex(8)
    log.error("unexpected error", error_id=error_id, exc_info=error)
    return Problem(
        500,
        "internal-error",
        "Internal error",
        f"an unexpected error; the server's log has it under {error_id}",
        error_id=error_id,
    )


def problem_response(problem: Problem) -> Response:
    """The problem as a response of Quart."""
    return Response(problem.body(), problem.status, problem.headers, content_type=MEDIA_TYPE)
