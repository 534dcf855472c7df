"""What `docs/monitoring` watches exists: every metric and every label of the dashboard and the alerts is in /metrics."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trio
import yaml

from rookery.errors import ProbeFailed
from rookery.runtime.telemetry import COUNTERS, DURATIONS
from support.waiting import until

DOCS = Path(__file__).parents[3] / "docs/monitoring"
NAME = re.compile(r"\b(?:rookery|process)_[a-z_]+\b(?=[{\[ )]|$)")
BY = re.compile(r"by \(([a-z_, ]+)\)")
ADDED = frozenset({"instance", "job", "le"})
"""Labels that Prometheus adds, and that of histograms."""


def dashboard_expressions() -> Iterator[tuple[str, str]]:
    dashboard = json.loads((DOCS / "grafana-dashboard.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]


def alert_expressions() -> Iterator[tuple[str, str]]:
    for group in yaml.safe_load((DOCS / "alerts.yaml").read_text())["groups"]:
        for rule in group["rules"]:
            assert rule["annotations"].keys() == {"summary", "action"}, rule["alert"]
            assert rule["labels"]["severity"] in ("warning", "critical")
            yield rule["alert"], rule["expr"]


EXPRESSIONS = [*dashboard_expressions(), *alert_expressions()]


def series_of(text: str) -> set[str]:
    """The names that a query may use, from the TYPE lines."""
    names = set()
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            names |= {f"{name}_{part}" for part in ("bucket", "sum", "count")} if kind == "histogram" else {name}
    return names


async def test_every_metric_that_is_watched_exists(served: Any) -> None:
    await served.add()
    answer = await served.client.get("/metrics")
    assert answer.status_code == 200
    known = series_of(answer.text)
    used = {name for _, expression in EXPRESSIONS for name in NAME.findall(expression)}
    assert len(used) > 25
    assert used - known == set()


@pytest.mark.parametrize(("title", "expression"), EXPRESSIONS, ids=[title for title, _ in EXPRESSIONS])
def test_expressions_name_labels_that_exist(title: str, expression: str) -> None:
    labels = {
        "rookery_sessions": {"platform", "status"},
        "rookery_sessions_down": {"platform"},
        "rookery_process_memory_bytes": {"kind", "process"},
        "rookery_build_info": {"version", "python"},
    }
    labels |= {f"rookery_{name}_total": set(names) for name, (_, names) in COUNTERS.items()}
    labels |= {f"rookery_{name}_seconds_bucket": set(names) for name, (_, names) in DURATIONS.items()}
    labels |= {f"rookery_{name}_seconds_count": set(names) for name, (_, names) in DURATIONS.items()}
    names = NAME.findall(expression)
    assert names, title
    known = ADDED.union(*(labels.get(name, set()) for name in names))
    used = {label.strip() for group in BY.findall(expression) for label in group.split(",")}
    used |= set(re.findall(r"[{,]([a-z_]+)=~?\"", expression))
    assert used <= known
    assert expression.count("(") == expression.count(")")


LISTED = {
    "sessions by platform and status": 'rookery_sessions{platform="parrot",status="CONNECTED"} 1.0',
    "state changes": 'rookery_state_changes_total{platform="parrot",reason="CONNECTED",status="CONNECTED"} 2.0',
    "attempts to connect": 'rookery_connects_total{platform="parrot"} 2.0',
    "reconnects by reason": 'rookery_link_failures_total{platform="parrot",reason="PROBE_FAILED"} 1.0',
    "poll latency": 'rookery_poll_seconds_count{platform="parrot"} 1.0',
    "probe latency": 'rookery_probe_seconds_count{kind="deep",platform="parrot"} 1.0',
    "events stored": 'rookery_events_stored_total{platform="parrot"} 1.0',
    "deliveries by outcome": 'rookery_deliveries_total{outcome="failed"} 1.0',
    "those that were given up": "rookery_dead_letters 0.0",
    "sends by outcome": 'rookery_sends_total{platform="parrot",state="sent"} 1.0',
    "sessions that receive nothing": "rookery_sessions_paused 0.0",
    "leases": "rookery_leases 1.0",
    "workers": "rookery_workers 0.0",
}
POSITIVE = [
    "rookery_oldest_delivery_age_seconds",
    "rookery_process_memory_bytes",
    "rookery_tasks",
    "process_open_fds",
    "rookery_threads",
    "rookery_build_info",
]


async def test_everything_that_an_operator_looks_for_is_there(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The families that a person looks for first, with values, after a little life."""

    async def probe(self) -> None:  # type: ignore[no-untyped-def]
        await trio.lowlevel.checkpoint()

    url = "http://127.0.0.1:9/hook"  # no server listens on the discard port
    assert (await served.client.post("/v1/webhooks", json={"url": url, "events": ["message"]})).status_code == 201
    await served.add()
    monkeypatch.setattr(type(served.engine.running_here()["polly"].link), "probe", probe, raising=False)
    served.parrot.inboxes["polly"].beat(0.1)
    await served.parrot.say("polly", "hello")
    await served.client.post("/v1/sessions/polly/messages", json={"to": "7", "text": "hi"})
    assert (await served.client.post("/v1/health/check")).json()["checks"][0]["ok"]
    with trio.fail_after(20):
        await until(lambda: served.engine.telemetry.counters["deliveries"][("failed",)])
        served.engine.running_here()["polly"].fail(ProbeFailed("no answer"))
        await served.engine.wait_status("polly", "RECONNECTING")
        await served.client.post("/v1/sessions/polly/retry")
        await served.engine.wait_status("polly", "CONNECTED")
    lines = (await served.client.get("/metrics")).text.splitlines()
    for what, sample in LISTED.items():
        assert sample in lines, f"{what}: {[line for line in lines if line.startswith(sample.partition('{')[0])]}"
    for name in POSITIVE:
        values = [float(line.rpartition(" ")[2]) for line in lines if re.match(rf"{name}[ {{]", line)]
        assert values, name
        assert min(values) > 0, name
