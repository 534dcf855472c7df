"""Calls for operators: checks, memory, sessions that gave up, logs, settings, and the metrics for Prometheus."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from platform import python_version
from typing import Annotated, Literal

import msgspec
import trio
from quart import Request, Response

from rookery.model.key import Scope
from rookery.model.session import SessionQuery

from ..access.callers import Caller
from ..call_table import Answer, call
from ..config.in_force import groups_of, in_force
from ..input.parameters import EventId, Id, Limit
from ..operate.finding import worst
from ..operate.log_tail import LogLine, levels_from
from ..operate.requests import OPEN_METRICS, TEXT
from ..operate.task_tree import task_tree
from ..output import operation_views
from .state import Api

TAG = "operations"
LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]


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

    It takes as long as the slowest probe: at most `ROOKERY_PROBE_TIMEOUT`, and one second more for every 64 sessions
    that do not answer.
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
    """Show the whole deployment at a glance: sessions, traffic of the last hour, backlogs, instances."""
    return Answer(operation_views.Overview.of(await api.engine.overview()))


@call("GET", "/v1/memory", tag=TAG, answers={200: operation_views.Memory}, scope=Scope.READ)
async def memory(api: Api) -> Answer:
    """Measure the memory of this instance and of its workers."""
    return Answer(operation_views.Memory.of(await api.engine.memory()))


@call("POST", "/v1/memory/check", tag=TAG, answers={200: operation_views.Memory}, scope=Scope.MANAGE)
async def check_memory(api: Api) -> Answer:
    """Run the memory guard now.

    It measures and warns; when memory is critically short, it collects garbage and replaces a worker.
    """
    return Answer(operation_views.Memory.of(await api.engine.check_memory()))


@call("POST", "/v1/recovery/check", tag=TAG, answers={200: operation_views.Recovered}, scope=Scope.MANAGE)
async def check_recovery(api: Api) -> Answer:
    """Start enabled sessions that should run here and do not."""
    return Answer(operation_views.Recovered(await api.engine.recover()))


@call("POST", "/v1/cleaner/check", tag=TAG, answers={200: operation_views.Cleaned}, scope=Scope.MANAGE)
async def check_cleaner(api: Api) -> Answer:
    """Release resources that are still held for sessions that do not run here."""
    return Answer(operation_views.Cleaned(await api.engine.clean()))


@call("GET", "/v1/debug/tasks", tag=TAG, answers={200: operation_views.TaskTree}, scope=Scope.ADMIN)
async def debug_tasks(api: Api) -> Answer:
    """Show every task of this instance and the line where it waits."""
    return Answer(operation_views.TaskTree(task_tree()))


class ReadLog(msgspec.Struct, frozen=True, kw_only=True):
    """Which lines; all filters must match."""

    after: Annotated[EventId, msgspec.Meta(description="`next` of the answer before")] | None = None
    level: Annotated[LogLevel, msgspec.Meta(description="the least important level", examples=["WARNING"])] = "DEBUG"
    session: Id | None = None
    q: Annotated[str, msgspec.Meta(max_length=200, description="a part of the line, in any case")] = ""
    limit: Limit = 200
    wait: Annotated[float, msgspec.Meta(ge=0, le=60, description="seconds to wait for a line when there is none")] = 0.0


@call("GET", "/v1/logs", tag=TAG, answers={200: operation_views.LogPage}, scope=Scope.ADMIN)
async def read_log(api: Api, *, query: ReadLog) -> Answer:
    """Read the newest lines of this instance's log.

    The last 2,000 lines are kept in memory, as `LOG_LEVEL` lets them through, with secrets masked.
    """
    tail = api.log_tail

    def read() -> list[LogLine]:
        return tail.read(
            after=query.after, levels=levels_from(query.level), text=query.q, session=query.session, limit=query.limit
        )

    newest, found = tail.newest, read()
    if not found and query.wait:
        with api.waiting(), trio.move_on_after(query.wait):
            while not found:
                await tail.wait_beyond(newest)
                newest, found = tail.newest, read()
    return Answer(operation_views.LogPage(found, newest))


@call("GET", "/v1/settings", tag=TAG, answers={200: operation_views.SettingList}, scope=Scope.ADMIN)
async def list_settings(api: Api) -> Answer:
    """Show the settings in force, their defaults, and this server's versions. For a secret, only whether it is set."""
    from importlib.metadata import version  # imported on first use: it reads archives and mail

    groups = groups_of(api.config) if api.config else {"API": api.settings, "Engine": api.engine.settings}
    shown = operation_views.SettingList(
        version=version("rookery"),
        python=python_version(),
        sqlite=sqlite3.sqlite_version,
        store=api.engine.location,
        settings=list(in_force(groups)),
    )
    return Answer(shown)


@call("GET", "/v1/doctor", tag=TAG, answers={200: operation_views.Examination}, scope=Scope.ADMIN)
async def doctor(api: Api) -> Answer:
    """Check database, directories, network, limits and clock, and advise what to do; takes up to 10 s.

    The same as `rookery doctor`, done by the server itself.
    """
    from ..operate.doctor import examine_running  # imported on first use, with its checks

    findings = await examine_running(api.engine, api.config, api.settings)
    return Answer(operation_views.Examination(worst(findings), findings))


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
    """Counts and durations in the text format of Prometheus, or in OpenMetrics if `Accept` prefers that."""
    from ..operate.metrics import exposition, preferred_form  # imported on first use, with its library

    text, content_type = await exposition(api.engine, api.requests, preferred_form(incoming.accept_mimetypes))
    return Answer(Response(text, content_type=content_type))
