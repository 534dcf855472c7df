"""Sees every change of a row, whichever code made it, and checks that it was allowed: by triggers, not by trust."""

from __future__ import annotations

from collections import Counter
from sqlite3 import Connection
from typing import Any

from rookery.model import Lease
from rookery.model.message import STATUS_EVENT

from ..world import World

_TRIGGERS = """
    CREATE TEMP TRIGGER see_status AFTER UPDATE OF status, reason ON sessions
    WHEN old.status <> new.status OR old.reason <> new.reason BEGIN
        SELECT see('status', new.id, old.status || '/' || old.reason, new.status || '/' || new.reason, new.owner, new.fence,
                   new.detail);
    END;
    CREATE TEMP TRIGGER see_cursor AFTER UPDATE OF cursor ON sessions BEGIN
        SELECT see('cursor', new.id, old.cursor, new.cursor, new.owner, new.fence, '');
    END;
    CREATE TEMP TRIGGER see_credentials AFTER UPDATE OF credentials ON sessions BEGIN
        SELECT see('credentials', new.id, '', new.credentials, new.owner, new.fence, '');
    END;
    CREATE TEMP TRIGGER see_enabled AFTER UPDATE OF enabled ON sessions WHEN old.enabled <> new.enabled BEGIN
        SELECT see('enabled', new.id, old.enabled, new.enabled, new.owner, new.fence, '');
    END;
    CREATE TEMP TRIGGER see_owner AFTER UPDATE OF fence ON sessions WHEN old.fence <> new.fence BEGIN
        SELECT see('claim', new.id, old.owner, new.owner, new.owner, new.fence, '');
    END;
    CREATE TEMP TRIGGER see_deletion AFTER DELETE ON sessions BEGIN
        SELECT see('deletion', old.id, '', '', old.owner, old.fence, '');
    END;
    CREATE TEMP TRIGGER see_event AFTER INSERT ON events BEGIN
        SELECT see('event', new.session, new.type, new.key,
                   (SELECT owner FROM sessions WHERE uid = new.uid), (SELECT fence FROM sessions WHERE uid = new.uid),
                   new.raw);
    END;
    CREATE TEMP TRIGGER see_message AFTER INSERT ON messages BEGIN
        SELECT see('message', new.id, '', new.state, (SELECT owner FROM sessions WHERE uid = new.uid),
                   (SELECT fence FROM sessions WHERE uid = new.uid), new.content);
    END;
    CREATE TEMP TRIGGER see_state AFTER UPDATE OF state ON messages WHEN old.state <> new.state BEGIN
        SELECT see('state', new.id, old.state, new.state, (SELECT owner FROM sessions WHERE uid = new.uid),
                   (SELECT fence FROM sessions WHERE uid = new.uid), new.error);
    END;
"""

UNDER_WAY = frozenset({"scheduled", "queued", "sending"})
BETTER = {("unknown", "sent"), ("sent", "delivered"), ("sent", "read"), ("delivered", "read")}


class Observer:
    """Observes one database. Changes that a rollback undid do not count."""

    def __init__(self, world: World, connection: Connection) -> None:
        self._world = world
        self._actor = ""
        self._lease: Lease | None = None
        self._seen: list[tuple[Any, ...]] = []
        self.enabled: dict[str, bool] = {}  # what operators want, by session
        self.may_disable: set[str] = set()  # sessions whose platform has logged them out
        self.received: Counter[str] = Counter()  # texts of received messages that are in the log
        self.arrows: Counter[tuple[str, str]] = Counter()  # changes of status/reason
        self.states: dict[str, str] = {}  # of messages by id
        self.sent_as: dict[str, str] = {}  # our id by the text that was sent
        self.status: dict[str, str] = {}  # of sessions
        self.claims = 0
        self.told = 0  # events about statuses and sends
        self.last_owner: dict[str, tuple[str | None, float]] = {}  # of deleted sessions, and when they were deleted
        self.texts: dict[str, list[str]] = {}  # received texts by session, in the order of the log
        self.watch(connection)

    def watch(self, connection: Connection) -> None:
        """See what this connection changes."""
        connection.create_function("see", 7, self._see)
        connection.executescript(_TRIGGERS)

    def mark(self) -> int:
        """How much of the present transaction was seen."""
        return len(self._seen)

    def forget_since(self, mark: int) -> None:
        """Forget the changes seen after that: they were undone."""
        del self._seen[mark:]

    def begin(self, actor: str, lease: Lease | None) -> None:
        """A transaction begins."""
        self._actor, self._lease = actor, lease
        self._seen.clear()

    def end(self, *, committed: bool) -> None:
        """It ended."""
        if committed:
            for seen in self._seen:
                self._check(*seen)
        self._seen.clear()

    def _see(self, *what: Any) -> None:
        self._seen.append(what)

    def _check(self, kind: str, name: str, old: Any, new: Any, owner: str | None, fence: int, more: Any) -> None:
        world, actor, lease = self._world, self._actor, self._lease
        if lease is not None and (owner != lease.owner or fence != lease.fence):
            world.violate(
                f"{kind} of {name} written under a lease that ended: {lease} by {actor}, held by {owner} {fence}"
            )
        match kind:
            case "status":
                self.status[name] = new
                self.arrows[old, new] += 1
                world.tell(f"{name} {old} -> {new} by {actor}: {more}")
                if owner != actor:
                    world.violate(f"status of {name} written by {actor}, held by {owner}")
            case "deletion":
                self.last_owner[name] = owner, world.now
                world.tell(f"{name} is deleted by {actor}, held by {owner}")
            case "cursor":
                if owner != actor:
                    world.violate(f"cursor of {name} moved by {actor}, held by {owner}")
            case "claim":
                self.claims += 1
                world.tell(f"{name} is claimed by {new} ({fence}), before {old}")
            case "event":
                if old != STATUS_EVENT:
                    self._received(name, more, owner)
                self.told += not text_in(more or "")
            case "enabled":
                self._enabled(name, bool(new))
            case "message":
                self.states[name] = new
                self.sent_as[text_in(more)] = name
                world.tell(f"send {name[-6:]} {text_in(more)} is stored as {new} by {actor}")
            case "state":
                self.states[name] = new
                world.tell(f"send {name[-6:]} {old} -> {new} by {actor} {more or ''}")
                if old not in UNDER_WAY and (old, new) not in BETTER:
                    world.violate(f"send {name} went from {old} to {new}")

    def _received(self, session: str, raw: bytes, owner: str | None) -> None:
        text = text_in(raw)
        if not text:
            return
        self.received[text] += 1
        self.texts.setdefault(session, []).append(text)
        self._world.tell(f"{session} stores {text}")
        if self.received[text] > 1:
            self._world.violate(f"{text} of {session} is stored {self.received[text]} times")
        if owner != self._actor:
            self._world.violate(f"an event of {session} was stored by {self._actor}, held by {owner}")

    def _enabled(self, session: str, new: bool) -> None:
        wanted = self.enabled.get(session)
        self._world.tell(f"{session} enabled={new}")
        if wanted is not None and new != wanted and not (not new and session in self.may_disable):
            self._world.violate(f"enabled of {session} became {new}, and no operator asked for that")


def text_in(document: bytes | str) -> str:
    """The text of a message in its JSON. Every text is a token of its own, in guillemets."""
    if isinstance(document, bytes):
        document = document.decode()
    start = document.find("<<")
    return document[start + 2 : document.find(">>", start)] if start >= 0 else ""
