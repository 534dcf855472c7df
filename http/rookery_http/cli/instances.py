"""`rookery instances` and `rookery drain`"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from .client import TIMEOUT, AsJson, Client, ClientError, Key, Url
from .output import Column, moment, print_json, print_line, print_table

COLUMNS: list[Column] = [
    ("name", lambda row: row["name"]),
    ("sessions", lambda row: row["sessions"]),
    ("at most", lambda row: row["capacity"]),
    ("draining", lambda row: "yes" if row["draining"] else "no"),
    ("started", lambda row: moment(row["started_at"])),
    ("", lambda row: "answers here" if row["answering"] else ""),
]


def instances(as_json: AsJson = False, url: Url = None, key: Key = None) -> None:
    """List the instances that share the database."""
    rows = Client(url, key).call("GET", "/v1/instances")["instances"]
    if as_json:
        print_json(rows)
    else:
        print_table(rows, COLUMNS, empty="")


def drain(
    timeout: Annotated[float | None, typer.Option(help="Seconds to wait for the end.", min=0, max=600)] = None,
    as_json: AsJson = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Hand all sessions of the server over to other instances, before it is stopped. Fails when some are left."""
    body: dict[str, Any] = {} if timeout is None else {"timeout": timeout}
    report = Client(url, key).call("POST", "/v1/drain", json=body, timeout=(timeout or 0) + TIMEOUT)
    if as_json:
        print_json(report)
    else:
        print_line(
            f"{report['instance']}: {report['handed_over']} sessions handed over in {report['seconds']:.1f} s, "
            f"{report['left']} left, {report['others']} other instances"
        )
    if report["left"]:
        raise ClientError(f"{report['left']} sessions are left")
