"""Calls that look after all sessions: checks, memory, sessions that gave up; and the metrics for Prometheus."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated

import msgspec
from quart import Request, Response

from rookery.model.key import Scope
from rookery.model.session import SessionQuery

from ..access.callers import Caller
from ..calls import Answer, call
from ..input.parameters import Id
from ..operate.requests import OPEN_METRICS, TEXT
from ..operate.task_tree import task_tree
from ..output import operation_views
from .state import Api

TAG = "operations"


class CheckNow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which sessions to check; without a list, all that run here."""

    sessions: Annotated[list[Id], msgspec.Meta(min_length=1, max_length=1000)] | None = None


@call(
    "POST",
    "/v1/health/check",
    tag=TAG,
    answers={200: operation_views.CheckResults},
    problems={404: "one of the sessions does not exist"},
    body_required=False,
    scope=Scope.READ,
)
async def check_health(api: Api, *, body: CheckNow | None, caller: Caller) -> Answer:
    """Probe sessions now.

    It takes as long as the slowest probe, at most `ROOKERY_PROBE_TIMEOUT` and a second more for every 64 sessions that do
    not answer.
    """
    wanted: Collection[str] | None = body.sessions if body else None
    if caller.sessions is not None:
        for session in wanted or ():
            caller.check_session(session)
        if wanted is None:
            own = SessionQuery(ids=caller.sessions, limit=len(caller.sessions))
            wanted = [session.id for session in await api.engine.list_sessions(own)]
    results = await api.engine.check_now(wanted) if wanted != [] else []
    return Answer(operation_views.CheckResults([operation_views.Check.of(result) for result in results]))


@call("GET", "/v1/overview", tag=TAG, answers={200: operation_views.Overview}, scope=Scope.READ)
async def overview(api: Api) -> Answer:
    """Look at the whole deployment at a glance: sessions, traffic of the last hour, backlogs, instances."""
    return Answer(operation_views.Overview.of(await api.engine.overview()))


@call("GET", "/v1/memory", tag=TAG, answers={200: operation_views.Memory}, scope=Scope.READ)
async def memory(api: Api) -> Answer:
    """Measure the memory of this instance and of its workers."""
    return Answer(operation_views.Memory.of(await api.engine.memory()))


@call("POST", "/v1/memory/check", tag=TAG, answers={200: operation_views.Memory}, scope=Scope.MANAGE)
async def check_memory(api: Api) -> Answer:
    """Run the memory guard now.

    It measures, warns, and when memory is critically short collects garbage and replaces a worker.
    """
    return Answer(operation_views.Memory.of(await api.engine.check_memory()))


@call("POST", "/v1/recovery/check", tag=TAG, answers={200: operation_views.Recovered}, scope=Scope.MANAGE)
async def check_recovery(api: Api) -> Answer:
    """Start enabled sessions that should run here and do not."""
    return Answer(operation_views.Recovered(await api.engine.recover()))


@call("POST", "/v1/cleaner/check", tag=TAG, answers={200: operation_views.Cleaned}, scope=Scope.MANAGE)
async def check_cleaner(api: Api) -> Answer:
    """Release what is still held for sessions that do not run here."""
    return Answer(operation_views.Cleaned(await api.engine.clean()))


@call("GET", "/v1/debug/tasks", tag=TAG, answers={200: operation_views.TaskTree}, scope=Scope.ADMIN)
async def debug_tasks(api: Api) -> Answer:
    """Show every task of this instance and the line where it waits."""
    return Answer(operation_views.TaskTree(task_tree()))


@call(
    "POST",
    "/v1/sessions/terminate-inactive",
    tag=TAG,
    answers={200: operation_views.TerminatedSessions},
    scope=Scope.MANAGE,
)
async def terminate_inactive(api: Api) -> Answer:
    """Disable every session that is down and will not come back by itself."""
    return Answer(operation_views.TerminatedSessions(await api.engine.terminate_inactive()))


@call("GET", "/metrics", tag=TAG, answers={200: (TEXT, OPEN_METRICS)}, scope=Scope.READ)
async def metrics(api: Api, *, incoming: Request) -> Answer:
    """Counts and durations in the text form of Prometheus, or in that of OpenMetrics where `Accept` prefers it."""
    from ..operate.metrics import exposition, preferred_form  # imported on first use, with its library

    text, content_type = await exposition(api.engine, api.requests, preferred_form(incoming.accept_mimetypes))
    return Answer(Response(text, content_type=content_type))
