"""The service itself: health, probes, description, documentation."""

from __future__ import annotations

from quart import Response

from rookery.model.key import Scope

from ..call_table import Answer, call
from ..output import operation_views
from ..output.problems import Problem
from .state import Api

TAG = "service"
HTML = "text/html"


@call("GET", "/healthz", tag=TAG, answers={200: operation_views.Alive}, open=True)
async def healthz(api: Api) -> Answer:
    """Report that the process is alive."""
    return Answer(operation_views.Alive("ok"))


@call(
    "GET",
    "/readyz",
    tag=TAG,
    answers={200: operation_views.Alive},
    problems={503: "it is starting or stopping, or the database does not answer"},
    open=True,
)
async def readyz(api: Api) -> Answer:
    """Report whether the server accepts work, which requires a database that answers."""
    if api.stopping.is_set() or not api.engine.ready:
        raise Problem(503, "not-ready", "Not ready", "the engine is starting or stopping", headers={"Retry-After": "1"})
    if trouble := await api.readiness.database_trouble():
        detail = f"the database cannot be used: {trouble}"
        raise Problem(503, "not-ready", "Not ready", detail, headers={"Retry-After": "1"})
    return Answer(operation_views.Alive("ready", api.engine.health_here().warnings))


@call("GET", "/v1/health", tag=TAG, answers={200: operation_views.Health}, scope=Scope.READ)
async def health(api: Api) -> Answer:
    """Show the engine's health."""
    return Answer(operation_views.Health.of(await api.engine.health()))


@call("GET", "/openapi.json", tag=TAG, answers={200: "application/json"}, scope=None)
async def openapi(api: Api) -> Answer:
    """This description, OpenAPI 3.1."""
    return Answer(api.describe())


@call("GET", "/asyncapi.json", tag=TAG, answers={200: "application/json"}, scope=None)
async def asyncapi(api: Api) -> Answer:
    """What streams and webhooks carry, AsyncAPI 3.0."""
    return Answer(api.describe_streams())


@call("GET", "/docs", tag=TAG, answers={200: HTML}, scope=None)
async def docs(api: Api) -> Answer:
    """The description as a page for people; it works without internet access."""
    from ..output.docs_page import POLICY, page  # imported on first use, like the description

    headers = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff"}
    return Answer(Response(page(api.describe()), headers=headers, content_type=f"{HTML}; charset=utf-8"))
