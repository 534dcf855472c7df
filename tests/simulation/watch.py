"""Invariants of a life, checked often: no session is forgotten, and nothing grows without bound."""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING

from trio._core import _run

from rookery.cluster.membership import MISSED_BEATS
from rookery.model.session import HISTORY_LENGTH, PAIRING_STATUSES

from .machines import Process
from .world import PROCESS

if TYPE_CHECKING:
    from .life import Life

LOOK_INTERVAL = 30.0
"""Seconds between two looks."""

CONNECTING = 900.0
"""Seconds that a session may take to connect while its engine reaches the database: 20 of them may queue at a gate with two
places, for a minute each."""

TASKS = 60, 4
"""Maximum tasks of an engine without sessions, and more for each session."""

APIS = 2
"""Maximum open clients of the Bot API for each bot: of its link, and of the one before while that closes."""

TABLES = ("sessions", "events", "messages", "deliveries", "dead_letters", "webhooks", "history")


class Watch:
    """Of one life. `look` must not be called from a task of an engine."""

    def __init__(self, life: Life) -> None:
        self._life = life
        self._world = life.world
        self._unfit: dict[tuple[str, str], float] = {}  # sessions without link, retry and reason, and since when
        self._alone: dict[str, float] = {}  # sessions that no engine runs, and since when
        self._starts = deque([(0.0, 0)])  # moments, and how many processes had started by then
        self.most: Counter[str] = Counter()  # the largest counts seen

    def begin(self) -> None:
        """Look from now on."""
        self._world.after(LOOK_INTERVAL, self._again)

    def _again(self) -> None:
        if not self._world.over:
            self.look()
            self.begin()

    def look(self) -> None:
        """One look at everything."""
        engines = [m.process for m in self._life.machines if m.process is not None and m.process.engine is not None]
        tasks = Counter(task.context.get(PROCESS) for task in _run.GLOBAL_RUN_CONTEXT.runner.tasks)
        for process in engines:
            self._fit(process)
            self._small(process, tasks[process])
        self._attended(engines)
        self._tables()

    def _fit(self, process: Process) -> None:
        """Each session that runs here has a link, a retry to come, or a reason to have none; or it connects."""
        now, machine, engine = self._world.now, process.machine, process.engine
        assert engine is not None
        for id, runner in sorted(engine.running_here().items()):
            key = process.name, id
            health = runner.health
            retry = health.next_retry_at is not None and health.next_retry_at > engine.now()
            waits = retry or health.terminal or health.status in PAIRING_STATUSES
            fine = process.running and machine.database == machine.platform == "up" and machine.lag == 1.0
            if runner.link is not None or runner.stopping or waits or not fine:
                self._unfit.pop(key, None)
            elif now - self._unfit.setdefault(key, now) > CONNECTING:
                self._world.violate(
                    f"{id} at {process} has no link, no retry and no final reason since {self._unfit[key]:.0f}: "
                    f"{health.status}/{health.reason}"
                )

    def _attended(self, engines: list[Process]) -> None:
        """Each session that should run has an owner, or will soon, as long as some engine works."""
        life, now = self._life, self._world.now
        working = [one for one in engines if one.running and one.machine.database == "up" and one.machine.lag == 1.0]
        held = {id for one in engines if one.engine for id in one.engine.running_here()}
        patience = 2.0 * life.settings.lease_ttl + 3.0 * life.settings.cluster_poll_interval + 60.0
        calm = len(working) == len(life.machines)
        for id, wanted in life.database.wanted().items():
            if not wanted or id in held or not calm:
                self._alone.pop(id, None)
            elif now - self._alone.setdefault(id, now) > patience:
                self._world.violate(f"{id} should run, but no engine has run it since {self._alone[id]:.0f}")

    def _small(self, process: Process, tasks: int) -> None:
        engine = process.engine
        assert engine is not None
        sessions = len(engine.running_here())
        self._at_most(
            f"tasks of {process}", "tasks", tasks, TASKS[0] + TASKS[1] * max(sessions, len(self._life.sessions))
        )
        apis = self._life.telegram.open[process]
        self._at_most(f"open clients of {process}", "clients", apis, APIS * len(self._life.telegram.by_session))
        waiting = max((len(writes) for writes in engine._board._waiting.values()), default=0)
        self._at_most(f"unwritten statuses of a session at {process}", "statuses", waiting, HISTORY_LENGTH)
        watched = len(engine._signals._messages)
        self._at_most(f"watched messages at {process}", "watched", watched, len(self._life.load.sends))

    def _tables(self) -> None:
        life = self._life
        rows = {
            table: life.database.connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in TABLES
        }
        sessions, sends = len(life.sessions), len(life.load.sends)
        received = len(life.load.writes)
        events = received + life.database.observer.told
        bounds = {
            "sessions": sessions,
            "events": events,
            "messages": sends,
            "deliveries": events * len(life.endpoints.by_webhook),
            "dead_letters": events * len(life.endpoints.by_webhook),
            "webhooks": len(life.endpoints.by_webhook),
            "history": sessions * HISTORY_LENGTH,
        }
        for table, count in rows.items():
            self._at_most(f"rows of {table}", table, count, bounds[table])
        if calls := getattr(life.database, "calls", None):
            self._at_most("calls between instances", "calls", len(calls), 50)
        if instances := getattr(life.database, "instances", None):
            self._at_most("instances", "instances", len(instances), 2 * len(life.machines) + self._started())

    def _started(self) -> int:
        """Processes that started lately: the row of one that was killed stays until it ends and another is renewed."""
        life, now = self._life, self._world.now
        self._starts.append((now, sum(machine.started for machine in life.machines)))
        lately = now - 2.0 * MISSED_BEATS * life.settings.cluster_poll_interval - LOOK_INTERVAL
        while self._starts[0][0] < lately:
            self._starts.popleft()
        return self._starts[-1][1] - self._starts[0][1]

    def _at_most(self, what: str, name: str, count: int, bound: int) -> None:
        self.most[name] = max(self.most[name], count)
        if count > bound:
            self._world.violate(f"{count} {what}: at most {bound} are needed")
