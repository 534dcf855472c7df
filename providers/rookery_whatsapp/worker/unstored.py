"""Events that the library has acknowledged and the engine has not stored yet.

WhatsApp forgets a message once the library has acknowledged it, so each event goes to a file before it goes to the engine:
it survives the end of the worker and of the engine. The session's next client on the same disk hands it over first. The
file marks the events that were stored; if a crash comes before the mark, the engine recognises the event by its key.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple

from ..protocol import Happened
from .channel import Channel, EngineGone
from .event_file import EventFile, Unreadable, leftovers
from .events.found import Found

MOST, LARGEST = 500, 32 * 1024 * 1024
"""Maximum number of waiting events, and of their bytes. Beyond it the library's handler blocks, and so does the library."""

SYNC_AFTER = 0.2
"""Seconds. While an event waits for longer, later events are synced to disk, so that they also survive a power cut."""


LOOK_AGAIN = 2.0
"""Seconds until a client looks again at files that another client was using."""


class _Waiting(NamedTuple):
    number: int
    since: float
    file: EventFile | None  # None if the event could not be written
    offset: int
    found: Found | None  # only if the event is in no file


class Unstored:
    """The events of one client, handed to the engine one at a time. Its methods may be called from any thread.

    `place`: the path of the files without the suffix, None to keep no files. `keys`: AES keys, newest first; without keys
    the files are not encrypted. `on_problem` gets a text for people when files cannot be written or read.
    """

    def __init__(
        self,
        client: int,
        channel: Channel,
        place: str | None,
        keys: Sequence[bytes],
        on_problem: Callable[[str], None],
    ) -> None:
        self._client = client
        self._channel = channel
        self._place = place
        self._keys = keys
        self._queue: deque[_Waiting] = deque()
        self._changed = threading.Condition()
        self._writing = threading.Lock()
        self._own: EventFile | None = None
        self._earlier: list[EventFile] = []
        self._given = 0
        self._sent = 0  # the number of the last event that was sent to the engine
        self._draining = False
        self._closed = False
        self._problem = ""
        self._on_problem = on_problem

    @property
    def empty(self) -> bool:
        """True when the engine has stored every event."""
        return not self._queue

    def recover(self) -> None:
        """Hand over the events that earlier clients of this session left. Call it once, before the first `put`. A file that
        another client still uses is checked again every `LOOK_AGAIN` seconds."""
        if self._place is not None and self._take_leftovers(self._place):
            threading.Thread(target=self._look_again, args=[self._place], name="leftovers", daemon=True).start()

    def _look_again(self, place: str) -> None:
        with self._changed:
            while not self._changed.wait_for(lambda: self._closed, LOOK_AGAIN):
                self._changed.release()
                try:
                    in_use = self._take_leftovers(place)
                finally:
                    self._changed.acquire()
                if not in_use:
                    return

    def _take_leftovers(self, place: str) -> bool:
        """Queue the events of the files that no client uses. True if another client still uses a file."""
        with self._writing:
            if self._closed:
                return False
            known = {file.path for file in (*self._earlier, *([self._own] if self._own else []))}
            files, in_use = leftovers(place, self._keys, known)
            for file in files:
                self._take(file)
        self._hand_over()
        return in_use

    def _take(self, file: EventFile) -> None:
        self._earlier.append(file)
        try:
            with self._changed:
                for offset in file.offsets():
                    self._given += 1
                    self._queue.append(_Waiting(self._given, time.monotonic(), file, offset, None))
                file.damaged = file.whole < file.size
                if all(each.file is not file for each in self._queue):
                    self._earlier.remove(file)
                    file.close(remove=True)
            if file.damaged:
                self._note(f"the events after a damaged one are not read; the file will be kept as {file.aside}")
        except OSError as error:
            file.keep = True
            self._note(f"{file.path} cannot be read: {error.strerror or error}")

    def put(self, found: Found) -> None:
        """Keep an event for the engine. Returns once it is in a file or, without files, once stored. Raises EngineGone."""
        with self._writing:
            with self._changed:
                self._changed.wait_for(lambda: self._draining or self._closed or not self._full)
                self._given += 1
                number, oldest = self._given, self._queue[0].since if self._queue else None
            waiting = self._keep(number, found, oldest)
            with self._changed:
                self._queue.append(waiting)
                first = len(self._queue) == 1 and self._sent != number
                if first:
                    self._sent = number
            if first:
                self._channel.send(Happened(self._client, number, *found))
            if waiting.file is None:
                with self._changed:
                    self._changed.wait_for(lambda: self._closed or waiting not in self._queue)

    def stored(self, number: int) -> None:
        """The engine has stored this event: hand over the next one."""
        with self._changed:
            if self._closed or not self._queue or self._queue[0].number != number:
                return
            self._mark_first()
            self._remove_first()
        self._hand_over()
        if self.empty and self._writing.acquire(blocking=False):
            try:
                if self.empty and self._own is not None:
                    with suppress(OSError):
                        self._clear(self._own)
            finally:
                self._writing.release()

    def drain(self) -> None:
        """Accept every event that the library still has, without a limit: the client is disconnected."""
        with self._changed:
            self._draining = True
            self._changed.notify_all()

    def wait_empty(self, seconds: float) -> None:
        """Return when the engine has stored everything, or after `seconds`."""
        with self._changed:
            self._changed.wait_for(lambda: self.empty or self._closed, seconds)

    def close(self) -> tuple[int, int]:
        """Release the files. Returns how many events wait in them for the next client, and how many are lost. Harmless
        when repeated."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        with self._writing, self._changed:
            kept = [each.file for each in self._queue if each.file is not None]
            for file in {*self._earlier, *([self._own] if self._own else [])}:
                file.close(remove=file not in kept)
            self._own, self._earlier = None, []
        return len(kept), len(self._queue) - len(kept)

    @property
    def _full(self) -> bool:
        size = self._own.size if self._own is not None else 0
        return len(self._queue) >= MOST or (size >= LARGEST and bool(self._queue))

    def _keep(self, number: int, found: Found, oldest: float | None) -> _Waiting:
        now = time.monotonic()
        if self._place is not None and not self._closed:
            try:
                if self._own is not None and oldest is None:
                    self._clear(self._own)
                if self._own is None:
                    self._own = EventFile.create(self._place, self._keys)
                offset = self._own.append(found)
                if oldest is not None and now - oldest > SYNC_AFTER:
                    self._own.sync()
            except OSError as error:
                self._note(f"events cannot be written to {self._place}: {error.strerror or error}")
            else:
                self._note("")
                return _Waiting(number, now, self._own, offset, None)
        return _Waiting(number, now, None, 0, found)

    def _clear(self, own: EventFile) -> None:
        """Empty this client's file, in which nothing waits. If part of it could not be read, keep it and start a new one."""
        if own.keep:
            self._own = None
            own.close(remove=False)
        else:
            own.clear()

    def _hand_over(self) -> None:
        """Send the first event that can be read."""
        while True:
            problem = ""
            with (
                self._changed
            ):  # covers the reading too: the descriptor of a closed file may already belong to another file
                waiting = self._queue[0] if self._queue else None
                if self._closed or waiting is None or waiting.number == self._sent:  # `put` was faster
                    return
                self._sent = waiting.number
                found = waiting.found
                if found is None and waiting.file is not None:
                    try:
                        found = waiting.file.read(waiting.offset)
                    except (OSError, Unreadable) as error:
                        waiting.file.keep = True  # for a person, or for the right key
                        problem = f"an event in {waiting.file.path} cannot be read: {error}"
                        self._remove_first()
            if found is not None:
                with suppress(EngineGone):
                    self._channel.send(Happened(self._client, waiting.number, *found))
                return
            self._note(problem)

    def _mark_first(self) -> None:
        """Mark the first event as stored in the file too, even if the file is about to be emptied: a crash may come first.
        The engine forgets old keys, and would then not recognise an event that is handed over again."""
        first = self._queue[0]
        if first.file is not None:
            with suppress(OSError):
                first.file.mark_stored(first.offset)

    def _remove_first(self) -> None:
        file = self._queue.popleft().file
        if file in self._earlier and not any(each.file is file for each in self._queue):
            self._earlier.remove(file)
            file.close(remove=True)
        self._changed.notify_all()

    def _note(self, problem: str) -> None:
        if problem and problem != self._problem:
            self._on_problem(problem)
        self._problem = problem
