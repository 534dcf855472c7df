"""Commands about the server as a whole: its health, memory, tasks and checks."""

from __future__ import annotations

import sys
from operator import itemgetter
from typing import Annotated, Any

import typer

from .client import TIMEOUT, AsJson, Client, ClientError, Key, Url
from .output import Column, moment, print_json, print_line, print_table


def health(as_json: AsJson = False, url: Url = None, key: Key = None) -> None:
    """Show the engine's health: sessions by status, pending deliveries. Fails when it is not ready."""
    answer = Client(url, key).call("GET", "/v1/health")
    if as_json:
        print_json(answer)
    else:
        rows = [
            {"platform": platform, "status": status, "sessions": number}
            for platform, states in answer["sessions"].items()
            for status, number in states.items()
        ]
        print_line(
            f"{answer['instance']}: {'ready' if answer['ready'] else 'not ready'} since {moment(answer['started_at'])}, "
            f"{answer['store']}, {answer['running']} sessions run here, {answer['connected']} connected, "
            f"{answer['pending_deliveries']} deliveries wait, {answer['dead_letters']} dead letters"
        )
        print_table(rows, [(name, itemgetter(name)) for name in ("platform", "status", "sessions")], empty="")
    if not answer["ready"]:
        raise ClientError("not ready")


def overview(as_json: AsJson = False, url: Url = None, key: Key = None) -> None:
    """Show the whole deployment at a glance."""
    answer = Client(url, key).call("GET", "/v1/overview")
    if as_json:
        print_json(answer)
        return
    minute = answer["minutes"][-2] if len(answer["minutes"]) > 1 else answer["minutes"][-1]
    print_line(
        f"{answer['connected']} connected, {answer['needs_you']} need you, {answer['on_the_way']} on the way, "
        f"{answer['down']} down, {answer['disabled']} disabled"
    )
    print_line(
        f"{minute['received']} received and {minute['sent']} sent in the last minute, {answer['waiting_sends']} sends wait, "
        f"{answer['undelivered']} events undelivered (the oldest for {answer['lag']:.1f} s), "
        f"{answer['dead_letters']} dead letters"
    )
    names = ("instance", "sessions", "connected", "memory", "memory_limit", "disk_free")
    print_table(answer["instances"], [(name, itemgetter(name)) for name in names], empty="")
    for name in answer["silent"]:
        print_line(f"{name} did not answer")


def check(
    session: Annotated[list[str] | None, typer.Argument(help="Only these sessions.", show_default=False)] = None,
    as_json: AsJson = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Probe sessions now: all that run there, or some. Fails when one does not answer."""
    body = {"sessions": session} if session else {}
    rows = Client(url, key).call("POST", "/v1/health/check", json=body, timeout=2 * TIMEOUT)["checks"]
    columns: list[Column] = [
        ("session", lambda row: row["session"]),
        ("kind", lambda row: row["kind"]),
        (
            "answer",
            lambda row: {True: "ok", False: "failed", None: "told to wait" if row["error"] else "nothing to ask"}[
                row["ok"]
            ],
        ),
        ("ms", lambda row: f"{row['latency'] * 1000:.0f}" if row["latency"] is not None else None),
        ("error", lambda row: row["error"]),
    ]
    if as_json:
        print_json(rows)
    else:
        print_table(rows, columns, empty="No session runs there.")
    if failed := sum(row["ok"] is False for row in rows):
        raise ClientError(f"{failed} of {len(rows)} sessions do not answer")


def memory(
    guard: Annotated[
        bool, typer.Option("--guard", help="Run the memory guard: warn, collect garbage, replace a worker.")
    ] = False,
    as_json: AsJson = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Measure the memory of the server and of its workers."""
    client = Client(url, key)
    answer = client.call("POST", "/v1/memory/check") if guard else client.call("GET", "/v1/memory")
    if as_json:
        print_json(answer)
        return
    total = answer | {"id": "total", "pid": "", "unique": answer["total"], "sessions": []}
    columns: list[Column] = [
        ("process", lambda row: row["id"]),
        ("pid", lambda row: row["pid"]),
        ("MiB", lambda row: f"{row['unique'] / 2**20:.1f}"),
        ("limit", lambda row: f"{row['limit'] / 2**20:.0f}"),
        ("level", lambda row: row["level"]),
        ("MiB an hour", lambda row: f"{row['growth'] / 2**20:+.1f}" if row["growth"] is not None else None),
        ("sessions", lambda row: ", ".join(row["sessions"])),
    ]
    print_table([answer["engine"], *answer["workers"], total], columns, empty="")


def _names(path: str, field: str, none: str, as_json: bool, url: str | None, key: str | None) -> None:
    names = Client(url, key).call("POST", path)[field]
    if as_json:
        print_json(names)
    elif names:
        for name in names:
            print_line(name)
    else:
        print_line(none)


def recover(as_json: AsJson = False, url: Url = None, key: Key = None) -> None:
    """Start enabled sessions that should run there and do not."""
    _names("/v1/recovery/check", "started", "All run that should.", as_json, url, key)


def clean(as_json: AsJson = False, url: Url = None, key: Key = None) -> None:
    """Release resources that are still held for sessions that do not run there."""
    _names("/v1/cleaner/check", "released", "Nothing had to be released.", as_json, url, key)


def tasks(as_json: AsJson = False, url: Url = None, key: Key = None) -> None:
    """Show every task of the server and the line where it waits."""
    rows: list[dict[str, Any]] = Client(url, key).call("GET", "/v1/debug/tasks")["tasks"]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        print_line(f"{'  ' * row['depth']}{row['name']}: {row['waits_at']} {row['waits_in']}".rstrip())


def metrics(url: Url = None, key: Key = None) -> None:
    """Print counts and durations in the text form of Prometheus."""
    sys.stdout.write(Client(url, key).text("/metrics", "text/plain").decode())
