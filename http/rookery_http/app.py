"""The Quart application: finds the call of a request in the table, admits its caller, and sends the answer.

Calls in the table are answered without Quart's contexts, signals and sessions, which none of our handlers uses and
which cost more than the handlers. The dashboard, WebSockets and unknown paths go through Quart as usual.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import trio
from quart import Request, Response, request
from quart_trio import QuartTrio

from rookery.errors import RookeryError

from . import api as _calls  # noqa: F401 - fills the table
from .access.audit import audit
from .access.callers import Caller
from .access.cors import VARY, with_cors
from .access.local import check_local
from .access.proxies import client_address, without_base
from .access.scopes import authorize
from .api.events import EVENT_STREAM, SOCKET
from .api.state import Api
from .api.streams.event_socket import serve_event_socket
from .call_table import TABLE, Answer, Call, encode
from .dashboard import PATHS, add_dashboard
from .input.parameters import check_place, is_id, read_header
from .input.reading import NoQuery, read_body, read_query, require_json
from .input.upload import Upload
from .output.problems import Problem
from .responses import JSON_HEADERS, bare, finished, not_allowed, problem_of, problem_response, send_response
from .routing import Router
from .server.bodies import DirectRequest, request_of

ROUTER = Router(TABLE)


class Application(QuartTrio):
    """Quart that also accepts requests whose target is not a path, and reads bodies only on demand."""

    request_class = DirectRequest
    api: Api

    async def asgi_app(self, scope: Any, receive: Any, send: Any) -> None:
        """`*` and `http://host/path` are legal targets; Quart knows only paths."""
        raw = scope["raw_path"].decode("ascii", "replace")
        if not raw.startswith("/"):
            raw = "/" + raw.partition("://")[2].partition("/")[2]
        api = self.api
        raw = without_base(raw, api.settings.base_path)
        scope["path"] = unquote(raw, errors="replace") if "%" in raw else raw
        if api.trusted_proxies and scope.get("client"):
            scope["client"] = (client_address(scope["client"][0], scope["headers"], api.trusted_proxies), 0)
        if scope["type"] != "http":
            await super().asgi_app(scope, receive, send)
            return
        incoming = request_of(scope, receive, self.request_class)
        found = ROUTER.find(raw)
        origin = incoming.headers.get("Origin")
        if not api.settings.cors_origins:
            pass
        elif origin is None or not api.cors.allows(origin):
            send = with_cors(send, [VARY])  # a cache must not give this answer to an allowed origin
        else:
            if incoming.method == "OPTIONS" and "Access-Control-Request-Method" in incoming.headers:
                headers = api.cors.preflight(
                    origin, incoming.headers.get("Access-Control-Request-Headers", ""), found[0] if found else ()
                )
                await send({"type": "http.response.start", "status": 204, "headers": headers})
                await send({"type": "http.response.body", "body": b""})
                return
            send = with_cors(send, api.cors.headers(origin))
        if found is None:
            response: Any = await self.handle_request(incoming)
        else:
            response = await self._answer(incoming, *found)
        if isinstance(response, Answer):
            body = encode(response.value)
            headers = JSON_HEADERS
            if response.headers:
                headers = headers + [
                    (name.encode(), (api.settings.base_path + value if name == "Location" else value).encode())
                    for name, value in response.headers.items()
                ]
            with trio.move_on_after(self.api.settings.answer_timeout):
                await send({"type": "http.response.start", "status": response.status, "headers": headers})
                await send({"type": "http.response.body", "body": body, "more_body": False})
            return
        await self._send(response, receive, send)

    async def _answer(
        self, incoming: DirectRequest, calls: dict[str, Call], arguments: dict[str, Any]
    ) -> Answer | Response:
        """The answer of the call in the table, with errors turned into problem documents."""
        api = self.api
        row = calls.get(incoming.method)
        caller: Caller | None = None
        try:
            if row is None:
                caller = await self.admit(incoming)
                raise not_allowed(calls)
            incoming.scope["rookery.route"] = row.path  # type: ignore[typeddict-unknown-key]
            if not row.open:
                caller = await self.admit(incoming)
            answer = await _call(api, row, incoming, caller, arguments)
        except (Exception, BaseExceptionGroup) as error:
            if isinstance(error, BaseExceptionGroup) and error.split(trio.Cancelled)[0] is not None:
                raise  # the server is stopping: no client waits for an answer any more
            problem = problem_of(error)
            if row is not None and caller is not None:
                audit(api.engine, row, caller, incoming.remote_addr, arguments, problem.status)
            return finished(problem_response(problem))
        if caller is not None:
            audit(api.engine, row, caller, incoming.remote_addr, arguments, answer.status_code)
        if incoming.method == "HEAD":
            return bare(answer.response())
        if isinstance(answer.value, Response):
            return finished(answer.value)
        return answer

    async def admit(self, incoming: Request) -> Caller:
        """Identify the caller. Raises a Problem: 401, 403, 429."""
        api = self.api
        if api.settings.key is None:
            check_local(incoming, api.cors)
        caller = await api.identify(incoming)
        if caller.key is not None and (rate := caller.key.rate or api.settings.key_rate) > 0:
            api.rate_limits.check(caller.id, rate)
        return caller

    async def _send(self, response: Any, receive: Any, send: Any) -> None:
        """Send an answer in pieces. Cancels an event stream when its client leaves, which it might not notice
        itself."""
        if response.content_type != EVENT_STREAM:
            timeout = response.timeout if response.timeout is not ... else self.api.settings.answer_timeout
            with trio.move_on_after(timeout if timeout is not None else float("inf")):
                await send_response(send, response)
            return
        async with trio.open_nursery() as nursery:

            async def end_with_the_client() -> None:
                while (await receive())["type"] != "http.disconnect":
                    pass
                nursery.cancel_scope.cancel()

            nursery.start_soon(end_with_the_client)
            await send_response(send, response)
            nursery.cancel_scope.cancel()


def create_app(api: Api) -> Application:
    """An ASGI application for `server.serve`; it has no lifespan of its own."""
    app = Application("rookery_http", static_folder=None)
    app.api = api
    app.url_map.merge_slashes = False
    add_dashboard(app)

    @app.websocket(SOCKET)
    async def events_over_a_websocket() -> Response | None:
        return await serve_event_socket(api, lambda error: problem_response(problem_of(error)))

    @app.before_request
    async def check() -> Response | None:
        if request.path in PATHS:
            return None
        try:
            await app.admit(request)
        except (Problem, RookeryError) as error:
            return problem_response(problem_of(error))
        return None

    @app.errorhandler(Exception)
    async def failed(error: Exception) -> Response:
        return problem_response(problem_of(error))

    @app.after_request
    async def finish(response: Response) -> Response:
        return finished(response)

    return app


async def _call(
    api: Api, row: Call, incoming: DirectRequest, caller: Caller | None, arguments: dict[str, Any]
) -> Answer:
    """Read the input into `arguments`, cheapest refusal first, then run the handler."""
    if row.takes_id and not is_id(arguments["id"]):
        raise Problem(404, "not-found", "Not found", f"there is no such id: {arguments['id'][:200]!r}")
    if caller is not None:
        for name in arguments.keys() - {"id"}:
            check_place(arguments[name], name)
        await authorize(api.engine, row, caller, arguments)
        if row.takes_caller:
            arguments["caller"] = caller
    if row.query is not None:
        arguments["query"] = read_query(incoming.query_string, row.query)
    elif not row.open:
        read_query(incoming.query_string, NoQuery)
    headers = incoming.headers
    if row.idempotent:
        arguments["idempotency_key"] = read_header("Idempotency-Key", headers.getlist("Idempotency-Key"))
    if row.resumes:
        arguments["last_event_id"] = read_header("Last-Event-ID", headers.getlist("Last-Event-ID"))
    if row.takes_request:
        arguments["incoming"] = incoming
    if row.uploads:
        settings = api.engine.settings
        arguments["upload"] = Upload(
            incoming, limit=settings.media_max_size, seconds=api.settings.body_timeout, types=settings.media_types
        )
    if row.body is None:
        return await row.handler(api, **arguments)
    name = caller.id if caller is not None else ""
    with api.bodies.hold(name) as held:
        limit = api.settings.max_body if row.large else min(row.small_body, api.settings.max_body)
        body = await read_body(incoming, limit, api.settings.body_timeout, held)
        if body or row.body_required:
            require_json(incoming)
            arguments["body"] = await api.documents.read(body, row.body_shape, caller=name, most=row.small_body)
        else:
            arguments["body"] = None
        del body
        return await row.handler(api, **arguments)
