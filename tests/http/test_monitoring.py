"""What `docs/monitoring` watches exists: every metric and every label of the dashboard and the alerts is in /metrics."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from rookery.telemetry import COUNTERS, DURATIONS

DOCS = Path(__file__).parents[2] / "docs/monitoring"
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


async def test_every_metric_that_is_watched_exists(served):
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


async def test_everything_that_the_issue_of_an_operator_needs_is_there(served):
    """The families that a person looks for first, with values, after a little life."""
    await served.add()
    await served.parrot.say("polly", "hello")
    await served.client.post("/v1/sessions/polly/messages", json={"to": "7", "text": "hi"})
    await served.client.post("/v1/health/check")
    text = (await served.client.get("/metrics")).text
    for sample in (
        'rookery_sessions{platform="parrot",status="CONNECTED"} 1',
        'rookery_state_changes_total{platform="parrot",status="CONNECTED",reason="CONNECTED"} 1',
        'rookery_connects_total{platform="parrot"} 1',
        'rookery_events_stored_total{platform="parrot"} 1',
        'rookery_sends_total{platform="parrot",state="sent"} 1',
        "rookery_oldest_delivery_age_seconds 0",
        "rookery_sessions_paused 0",
        "rookery_leases 1",
        "rookery_workers 0",
    ):
        assert sample in text.splitlines(), sample
    for name in (
        "rookery_process_memory_bytes",
        "rookery_tasks",
        "process_open_fds",
        "rookery_threads",
        "rookery_build_info",
    ):
        assert re.search(rf"^{name}(\{{.*\}})? [1-9]", text, re.MULTILINE), name
