"""The Quart application: routes from the table of calls, and one place where every error becomes a problem document."""

from __future__ import annotations

import re
import secrets
from typing import Any
from urllib.parse import unquote

import trio
from quart import Request, Response, g, request
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from rookery.errors import RookeryError
from rookery.log import get_logger

from . import api as _calls  # noqa: F401 - fills the table
from .access.audit import audit
from .access.callers import identify
from .access.local import check_local
from .access.scopes import authorize
from .api.event_socket import serve_event_socket
from .api.events import SOCKET
from .api.state import Api
from .calls import TABLE, Answer, Call
from .config.settings import SMALL_BODY
from .dashboard import PATHS, add_dashboard
from .input.parameters import is_id, read_header
from .input.reading import NoQuery, read_body, read_json, read_query, require_json
from .input.upload import FORM_EXTRA, Upload
from .output.problems import MEDIA_TYPE, Problem, from_error
from .server.bodies import WaitingConnection, WaitingRequest

log = get_logger("API")

FIXED_PATHS: dict[str, list[str]] = {}
for _row in TABLE:
    if not _row.takes_id:
        FIXED_PATHS.setdefault(_row.path, []).extend(["GET", "HEAD"] if _row.method == "GET" else [_row.method])
"""What is allowed on paths without an id; each wins over a path with an id that would fit as well."""
OPEN_PATHS = PATHS | {row.path for row in TABLE if row.open}
ENCODED_SLASH = re.compile(b"%2[fF]")
HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}


class Application(QuartTrio):
    """Quart, for requests whose target is not a path as well, and with bodies that wait."""

    request_class = WaitingRequest
    asgi_http_class = WaitingConnection

    async def asgi_app(self, scope: Any, receive: Any, send: Any) -> None:
        """`*`, `?query` and `http://host/path` are legal targets; Quart knows only paths.

        An encoded slash is part of an id, which has none, and not the way to another path.
        """
        raw = scope.get("raw_path") or b""
        if b"%2f" in raw.lower():
            scope = {**scope, "path": unquote(ENCODED_SLASH.sub(b"%252F", raw).decode("ascii", "replace"))}
        if not scope["path"].startswith("/"):
            path = scope["path"].partition("://")[2].partition("/")[2]
            scope = {**scope, "path": f"/{path}"}
        await super().asgi_app(scope, receive, send)


def create_app(api: Api) -> Application:
    """An ASGI application for `server.serve`; it has no lifespan of its own."""
    app = Application("rookery_http", static_folder=None)
    app.url_map.merge_slashes = False
    app.config["MAX_CONTENT_LENGTH"] = max(
        api.settings.max_body, SMALL_BODY, api.engine.settings.media_max_size + FORM_EXTRA
    )
    app.config["RESPONSE_TIMEOUT"] = api.settings.answer_timeout
    for row in TABLE:
        app.add_url_rule(
            row.path.replace("{id}", "<id>"),
            row.name,
            _view(api, row),
            methods=[row.method],
            provide_automatic_options=False,
        )

    add_dashboard(app)

    @app.websocket(SOCKET)
    async def events_over_a_websocket() -> Response | None:
        return await serve_event_socket(api, lambda error: _problem_response(problem_of(error)))

    @app.before_request
    async def check() -> Response | None:
        if request.path in OPEN_PATHS:
            return None
        try:
            if api.settings.key is None:
                check_local(request)
            g.caller = await identify(api.engine, request.headers, api.settings.key)
            if g.caller.key is not None and (rate := g.caller.key.rate or api.settings.key_rate) > 0:
                api.rate_limits.check(g.caller.id, rate)
        except (Problem, RookeryError) as error:
            return _problem_response(problem_of(error))
        return None

    @app.errorhandler(Exception)
    async def failed(error: Exception) -> Response:
        return _problem_response(problem_of(error))

    @app.after_request
    async def finish(response: Response) -> Response:
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    return app


def _view(api: Api, row: Call) -> Any:
    async def view(**path: str) -> Response:
        arguments: dict[str, Any] = dict(path)
        try:
            answer = await _call(api, row, request, arguments)
        except (Exception, BaseExceptionGroup) as error:
            if isinstance(error, BaseExceptionGroup) and error.split(trio.Cancelled)[0] is not None:
                raise  # the client has gone, or the server goes: nobody waits for an answer
            problem = problem_of(error)
            audit(api.engine, row, arguments, problem.status)
            return _problem_response(problem)
        response = answer.response()
        audit(api.engine, row, arguments, response.status_code)
        if request.method == "HEAD" and response.timeout is None:
            length = response.headers.get("Content-Length")
            bare = Response(b"", response.status_code, response.headers)  # the headers of a stream, not the stream
            if length is not None:
                bare.headers["Content-Length"] = length
            return bare
        return response

    return view


async def _call(api: Api, row: Call, incoming: Request, arguments: dict[str, Any]) -> Answer:
    """Read the input into `arguments` in the order of the cheapest refusal, then do it."""
    if row.takes_id and incoming.path in FIXED_PATHS:
        raise MethodNotAllowed
    if row.takes_id and not is_id(arguments["id"]):
        raise Problem(404, "not-found", "Not found", f"there is no such id: {arguments['id'][:200]!r}")
    if not row.open:
        await authorize(api.engine, row, g.caller, arguments)
    if row.takes_caller:
        arguments["caller"] = g.caller
    if row.query is not None:
        arguments["query"] = read_query(incoming.query_string, row.query)
    elif not row.open:
        read_query(incoming.query_string, NoQuery)
    headers = incoming.headers
    if row.idempotent:
        arguments["idempotency_key"] = read_header("Idempotency-Key", headers.getlist("Idempotency-Key"))
    if row.resumes:
        arguments["last_event_id"] = read_header("Last-Event-ID", headers.getlist("Last-Event-ID"))
    if row.uploads:
        settings = api.engine.settings
        arguments["upload"] = Upload(
            incoming, limit=settings.media_max_size, seconds=api.settings.body_timeout, types=settings.media_types
        )
    if row.body is not None:
        limit = api.settings.max_body if row.large else min(SMALL_BODY, api.settings.max_body)
        body = await read_body(incoming, limit, api.settings.body_timeout)
        if body or row.body_required:
            require_json(incoming)
            arguments["body"] = read_json(body, row.body_shape)
        else:
            arguments["body"] = None
    return await row.handler(api, **arguments)


def problem_of(error: BaseException) -> Problem:
    """What to answer; a bug is logged with an id, and the answer tells that id and nothing else."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    match error:
        case Problem():
            return error
        case MethodNotAllowed():
            allowed = ", ".join(sorted(FIXED_PATHS.get(request.path) or error.valid_methods or ()))
            return Problem(
                405,
                "method-not-allowed",
                "Method not allowed",
                f"this path knows {allowed}",
                headers={"Allow": allowed},
            )
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


def _problem_response(problem: Problem) -> Response:
    return Response(problem.body(), problem.status, problem.headers, content_type=MEDIA_TYPE)
