"""What people do meanwhile: they write to bots, programs send, operators use every verb. Drawn from the seed."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import trio

from rookery.errors import InvalidInput, NotConnected, NotFound, RookeryError

from .machines import Machine, Process
from .outside.observer import Observer
from .world import World

TRIES = 6
RETRY_PAUSE = 5.0
AGAIN = 30.0  # seconds after which an operator repeats a deletion that failed


class Clients:
    """Everybody who calls an engine."""

    def __init__(self, world: World, machines: list[Machine], observer: Observer) -> None:
        self._world = world
        self._machines = machines
        self._observer = observer
        self._dice = world.random("clients")
        self.accepted: dict[str, str] = {}  # message id by text
        self.refused: set[str] = set()
        self.deleted: set[str] = set()
        self._answered: set[tuple[str, str]] = set()
        self._asked: Counter[str] = Counter()  # deletes of a session
        self._busy: dict[str, float] = {}  # sessions that a verb is under way for, and until when at most
        self.errors: list[str] = []

    def somebody(self) -> Process | None:
        """A process that takes requests now."""
        ready = [m.process for m in self._machines if m.process is not None and m.process.running and m.process.nursery]
        return self._dice.choice(ready) if ready else None

    # Sends

    def send(self, session: str, chat: int, text: str, delay: float, tries: int = TRIES) -> None:
        """A program sends; it repeats unanswered sends, with the same key, to any instance that answers."""
        process = self.somebody()
        if text in self.accepted or session in self.deleted:
            return
        if process is not None:
            process.spawn(self._send, process, session, chat, text, delay)
        if tries > 1:
            self._world.after(RETRY_PAUSE * 4, self.send, session, chat, text, delay, tries - 1)

    async def _send(self, process: Process, session: str, chat: int, text: str, delay: float) -> None:
        assert process.engine is not None
        at = process.engine.now() + delay if delay else None
        try:
            message = await process.engine.submit(
                session, to=address(session, chat), text=f"<<{text}>>", idempotency_key=f"key {text}", send_at=at
            )
        except (NotConnected, NotFound):
            return
        except InvalidInput as error:  # a scheduled one, repeated
            self._world.tell(f"{text} was refused: {error}")
        except RookeryError:
            return
        else:
            self.accepted.setdefault(text, message.id)

    # Verbs

    def verb(self, verb: str, session: str, tries: int = 3) -> None:
        """An operator acts on a session; one at a time for each."""
        if session in self.deleted or self._busy.get(session, -1.0) > self._world.now:
            return
        process = self.somebody()
        if process is None:
            if tries:
                self._world.after(RETRY_PAUSE, self.verb, verb, session, tries - 1)
            return
        self._busy[session] = self._world.now + 40.0
        engine: Any = process.engine
        call: Callable[[], Awaitable[Any]] = {
            "start": lambda: engine.start(session),
            "stop": lambda: engine.stop(session),
            "restart": lambda: engine.restart(session),
            "retry": lambda: engine.retry(session),
            "delete": lambda: engine.delete_session(session),
        }[verb]
        if verb in ("start", "restart"):
            self._observer.enabled[session] = True
        elif verb == "stop":
            self._observer.enabled[session] = False
        elif verb == "delete":
            self.deleted.add(session)
            self._asked[session] += 1
            self._world.after(60.0, self._unanswered, session, self._asked[session])
        process.spawn(self._verb, verb, session, call)

    async def _verb(self, verb: str, session: str, call: Callable[[], Awaitable[Any]]) -> None:
        self._world.tell(f"an operator asks for {verb} of {session}")
        try:
            with trio.move_on_after(35.0):
                await call()
                self._answered.add((verb, session))
        except NotFound:
            self._answered.add((verb, session))
        except RookeryError as error:
            self._world.tell(f"{verb} of {session} failed: {error}")
            if verb == "delete":
                self._world.after(AGAIN, self._delete_again, session)
            elif verb == "start":
                self._world.after(AGAIN, self._start_again, session)
        self._busy.pop(session, None)

    def _unanswered(self, session: str, asked: int) -> None:
        """The operator never heard whether it is deleted, as when the instance was killed: asks again, once."""
        if ("delete", session) not in self._answered and session in self.deleted and self._asked[session] == asked:
            self._delete_again(session)

    def ask_code(self, session: str, number: str) -> None:
        """An operator wants to link the phone by a code to type."""
        if session not in self.deleted and (process := self.somebody()) is not None:
            process.spawn(self._ask_code, process, session, number)

    async def _ask_code(self, process: Process, session: str, number: str) -> None:
        assert process.engine is not None
        try:
            with trio.move_on_after(35.0):
                await process.engine.request_pairing_code(session, number)
                self._world.tell(f"an operator has a code to type for {session}")
        except RookeryError as error:
            self._world.tell(f"no code to type for {session}: {error}")

    def _start_again(self, session: str) -> None:
        """Start a session again, unless an operator has stopped it since."""
        if self._observer.enabled.get(session):
            self.verb("start", session)

    def _delete_again(self, session: str) -> None:
        self.deleted.discard(session)
        self._busy.pop(session, None)
        self.verb("delete", session)


def address(session: str, chat: int) -> str:
    """How the session's platform calls this chat."""
    return f"491520000{chat:04}" if session.startswith("phone") else str(chat)


class Load:
    """The plan of one life."""

    def __init__(self, dice: random.Random, sessions: list[str], *, until: float, busy: bool = False) -> None:
        """`busy`: everybody writes and sends."""
        self.writes: list[tuple[float, str, int, str]] = []
        self.sends: list[tuple[float, str, int, str, float]] = []
        number = 0
        for session in sessions:
            for _ in range(dice.choice((4, 8) if busy else (0, 0, 1, 2, 6))):
                number += 1
                at, burst = dice.uniform(1.0, until), dice.choice((1, 1, 1, 4))
                for _ in range(burst):
                    number += 1
                    self.writes.append((at, session, 100 + dice.randrange(2), f"u{number}"))
            for _ in range(dice.choice((4, 8) if busy else (0, 0, 1, 4))):
                number += 1
                word = "bad" if dice.random() < 0.05 else "s"
                delay = dice.choice((0.0, 0.0, 0.0, 60.0))
                self.sends.append(
                    (dice.uniform(1.0, until), session, 100 + dice.randrange(2), f"{word}{number}", delay)
                )
