"""A worker keeps what the library has acknowledged, until the engine has stored it: through a crash, a full or broken disk,
and a change of the key."""

from __future__ import annotations

import errno
import fcntl
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rookery_whatsapp.device.unstored import OLDEST, UnstoredFiles
from rookery_whatsapp.protocol import Happened
from rookery_whatsapp.worker import unstored
from rookery_whatsapp.worker.event_file import EventFile
from rookery_whatsapp.worker.events.found import Found
from rookery_whatsapp.worker.unstored import Unstored

OLD, NEW = bytes(range(32)), bytes(range(32, 64))


class Engine:
    """Takes the frames; stores nothing by itself."""

    def __init__(self) -> None:
        self.frames: list[Happened] = []
        self.came = threading.Condition()

    def send(self, frame: Any) -> None:
        with self.came:
            self.frames.append(frame)
            self.came.notify_all()

    @property
    def keys(self) -> list[str]:
        return [frame.key for frame in self.frames]


class Worker:
    """One client's queue, and an engine for it."""

    def __init__(self, place: Path | None, *keys: bytes) -> None:
        self.engine = Engine()
        self.problems: list[str] = []
        self.queue = Unstored(
            7,
            self.engine,  # type: ignore[arg-type]
            str(place) if place else None,
            keys,
            self.problems.append,
        )
        self.queue.recover()

    def store_all(self) -> list[str]:
        """As an engine whose database works; returns the keys."""
        while not self.queue.empty:
            self.queue.stored(self.engine.frames[-1].number)
        return self.engine.keys

    def held(self, key: str) -> threading.Thread:
        """A handler that is held up by this event."""
        thread = threading.Thread(target=self.queue.put, args=[event(key)], daemon=True)
        thread.start()
        return thread


def event(key: str, raw: bytes = b"{}") -> Found:
    return Found("message", key, 1.5, "chat", None, b'{"text":"a secret of Alice"}', raw)


def files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.events"))


def test_events_go_to_the_engine_one_at_a_time_and_leave_nothing_behind(tmp_path: Path) -> None:
    worker = Worker(tmp_path / "unstored/one~1")
    for key in "abc":
        worker.queue.put(event(key))
    assert worker.engine.keys == ["a"]
    worker.queue.stored(1)
    assert worker.engine.keys == ["a", "b"]
    worker.queue.stored(1)  # an answer that comes twice
    assert worker.store_all() == ["a", "b", "c"]
    assert [frame.number for frame in worker.engine.frames] == [1, 2, 3]
    assert files(tmp_path)[0].stat().st_size == 0
    assert worker.queue.close() == (0, 0)
    assert list(tmp_path.iterdir()) == []


def test_the_next_client_hands_over_what_a_killed_one_left(tmp_path: Path) -> None:
    place = tmp_path / "unstored/one~1"
    killed = Worker(place)
    for key in "abc":
        killed.queue.put(event(key, raw=b"x" * 100_000))
    killed.queue.stored(1)
    release(killed)
    second = Worker(place)
    second.queue.put(event("d"))
    assert second.store_all() == ["b", "c", "d"], "the file says that `a` was stored"
    assert second.engine.frames[0].raw == b"x" * 100_000
    assert second.queue.close() == (0, 0)
    assert list(tmp_path.iterdir()) == []


def left_by_a_killed_worker(directory: Path, place: Path) -> Path:
    """The file of a worker that was killed with the events a, b and c."""
    killed = Worker(place)
    for key in "abc":
        killed.queue.put(event(key))
    release(killed)
    (file,) = files(directory)
    return file


@pytest.mark.parametrize("damaged", [0, 1])
def test_what_follows_a_damaged_event_is_put_aside(tmp_path: Path, damaged: int) -> None:
    place = tmp_path / "unstored/one~1"
    file = left_by_a_killed_worker(tmp_path, place)
    content = bytearray(file.read_bytes())
    content[damaged * len(content) // 3 + 12] ^= 1
    file.write_bytes(content)
    second = Worker(place)
    assert second.store_all() == list("abc"[:damaged])
    assert second.queue.close() == (0, 0)
    (aside,) = tmp_path.rglob("*.damaged")
    if damaged:
        content[0] |= 0x80  # the event before it was stored
    assert aside.read_bytes() == content
    assert [problem for problem in second.problems if str(aside) in problem]
    assert Worker(place).queue.empty


@pytest.mark.parametrize("killed_again", [False, True])
def test_what_precedes_a_damaged_event_waits_until_it_is_stored(tmp_path: Path, killed_again: bool) -> None:
    """The second client ends while the database is away."""
    place = tmp_path / "unstored/one~1"
    file = left_by_a_killed_worker(tmp_path, place)
    file.write_bytes(file.read_bytes()[:-1])
    second = Worker(place)
    second.queue.stored(1)
    assert second.engine.keys == ["a", "b"]
    if killed_again:
        release(second)
    else:
        assert second.queue.close() == (1, 0)
    third = Worker(place)
    assert third.store_all() == ["b"]
    assert third.queue.close() == (0, 0)
    assert files(tmp_path) == []
    assert len(list(tmp_path.rglob("*.damaged"))) == 1


def test_a_file_with_an_event_that_could_not_be_read_is_not_emptied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "one~1"
    worker = Worker(place)
    for key in "ab":
        worker.queue.put(event(key))

    def broken(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as disk:
        disk.setattr(EventFile, "read", broken)
        worker.queue.stored(1)
    assert worker.queue.empty
    assert "cannot be read" in worker.problems[0]
    worker.queue.put(event("c"))
    assert worker.store_all() == ["a", "c"]
    assert worker.queue.close() == (0, 0)
    assert Worker(place).store_all() == ["b"]
    assert files(tmp_path) == []


def test_the_last_event_of_a_file_is_marked_as_stored_too(tmp_path: Path) -> None:
    """The worker is killed before it empties the file."""
    place = tmp_path / "one~1"
    worker = Worker(place)
    worker.queue.put(event("a"))
    with worker.queue._writing:  # a handler is about to add an event
        worker.queue.stored(1)
    release(worker)
    assert Worker(place).engine.keys == []


def test_a_new_file_that_another_client_removes_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other client finds the file between its creation and its lock, with nothing in it."""
    place, lock = tmp_path / "unstored/one~1", fcntl.flock
    worker = Worker(place)

    def late(descriptor: int, operation: int) -> None:
        monkeypatch.setattr(fcntl, "flock", lock)
        assert Worker(place).queue.empty
        assert files(tmp_path) == []
        lock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    worker.queue.put(event("a"))
    assert fcntl.flock is lock
    release(worker)
    assert Worker(place).store_all() == ["a"]


def test_an_event_that_comes_while_the_last_one_is_stored_is_handed_over_once(tmp_path: Path) -> None:
    worker = Worker(tmp_path / "one~1")
    worker.queue.put(event("a"))
    original = worker.queue._hand_over

    def meanwhile() -> None:
        worker.queue._hand_over = original  # type: ignore[method-assign]
        worker.queue.put(event("b"))
        original()

    worker.queue._hand_over = meanwhile  # type: ignore[method-assign]
    worker.queue.stored(1)
    assert worker.engine.keys == ["a", "b"]


def test_each_stored_event_of_several_killed_clients_stays_stored(tmp_path: Path) -> None:
    place, rest = tmp_path / "unstored/one~1", "abcdef"
    worker = Worker(place, OLD)
    for key in rest:
        worker.queue.put(event(key))
    while rest:  # each client is killed after the second one of its events
        for _ in range(2):
            worker.queue.stored(worker.engine.frames[-1].number)
        release(worker)
        assert worker.engine.keys == list(rest[:3])
        rest = rest[2:]
        worker = Worker(place, OLD)
    assert worker.engine.keys == []
    assert worker.queue.close() == (0, 0)
    assert files(tmp_path) == []


def test_a_file_that_was_in_use_is_taken_once_it_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unstored, "LOOK_AGAIN", 0.01)
    place = tmp_path / "one~1"
    first = Worker(place)
    first.queue.put(event("a"))
    second = Worker(place)
    second.queue.put(event("b"))
    assert second.store_all() == ["b"]
    assert first.queue.close() == (1, 0)
    with second.engine.came:
        assert second.engine.came.wait_for(lambda: second.engine.keys == ["b", "a"], 5)
    second.store_all()
    assert second.queue.close() == (0, 0)
    assert files(tmp_path) == []


def test_a_file_in_use_belongs_to_its_client(tmp_path: Path) -> None:
    place = tmp_path / "one~1"
    first = Worker(place)
    first.queue.put(event("a"))
    second, stranger = Worker(place), Worker(tmp_path / "one~12")
    assert second.engine.keys == stranger.engine.keys == []
    assert first.queue.close() == (1, 0)
    assert Worker(tmp_path / "one~12").engine.keys == []
    assert Worker(place).store_all() == ["a"]


def test_a_record_that_a_crash_cut_short_costs_only_itself(tmp_path: Path) -> None:
    place = tmp_path / "one~1"
    worker = Worker(place)
    for key in "ab":
        worker.queue.put(event(key))
    (file,) = files(tmp_path)
    whole = file.read_bytes()
    release(worker)
    (tmp_path / "stays").touch()
    for length in range(len(whole) // 2, len(whole)):
        file.write_bytes(whole[:length])
        assert Worker(place).store_all() == ["a"], length
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert Worker(place).store_all() == ["a"]


def test_with_a_key_nothing_is_readable_and_a_rotation_keeps_it(tmp_path: Path) -> None:
    place = tmp_path / "one~1"
    worker = Worker(place, OLD)
    for key in "ab":
        worker.queue.put(event(key))
    assert worker.queue.close() == (2, 0)
    (file,) = files(tmp_path)
    assert b"secret" not in file.read_bytes()
    wrong = Worker(place, NEW)
    assert wrong.engine.frames == []
    assert wrong.queue.empty
    assert "none of the secret keys decrypts it" in wrong.problems[0]
    wrong.queue.close()
    file.rename(other := tmp_path / file.name.replace("one", "two"))
    assert Worker(tmp_path / "two~1", OLD).engine.frames == [], "another session's file is of no use"
    other.rename(file)
    assert Worker(place, NEW, OLD).store_all() == ["a", "b"]
    assert files(tmp_path) == []


def test_without_a_file_an_event_holds_the_next_one_back(tmp_path: Path) -> None:
    worker = Worker(None)
    handler = worker.held("a")
    handler.join(0.1)
    assert handler.is_alive()
    worker.queue.stored(1)
    handler.join(5)
    assert not handler.is_alive()
    last = worker.held("b")
    last.join(0.1)
    assert worker.queue.close() == (0, 1), "what could be kept nowhere is counted"
    last.join(5)
    assert not last.is_alive()


def test_a_disk_that_takes_nothing_holds_the_next_event_back_and_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no directory")
    worker = Worker(tmp_path / "file/one~1")
    handler = worker.held("a")
    handler.join(0.1)
    assert handler.is_alive()
    assert "events cannot be written to" in worker.problems[0]
    worker.queue.stored(1)
    handler.join(5)
    (tmp_path / "file").unlink()
    worker.queue.put(event("b"))
    assert worker.engine.keys == ["a", "b"]
    assert len(worker.problems) == 1


@pytest.mark.parametrize("go_on", [lambda w: w.store_all(), lambda w: w.queue.drain()])
def test_a_bounded_number_of_events_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, go_on: Callable[[Worker], object]
) -> None:
    monkeypatch.setattr(unstored, "MOST", 3)
    worker = Worker(tmp_path / "one~1")
    for key in "abc":
        worker.queue.put(event(key))
    handler = worker.held("d")
    handler.join(0.1)
    assert handler.is_alive()
    go_on(worker)
    handler.join(5)
    assert not handler.is_alive()
    assert worker.store_all() == ["a", "b", "c", "d"]


async def test_files_without_a_session_are_reported_and_later_removed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept = UnstoredFiles(tmp_path / "unstored", None)
    worker = Worker(Path(kept.place("shop:1", 5)))
    worker.queue.put(event("a"))
    worker.queue.close()
    await kept.look()
    assert "events wait to be stored" in caplog.text
    (file,) = files(tmp_path)
    damaged, fresh = (file.with_name(f"{name}~5~1.events.damaged") for name in ("old", "new"))
    for path in (damaged, fresh):
        path.write_bytes(b"torn")
    for path in (file, damaged):
        os.utime(path, (time.time() - OLDEST - 9,) * 2)
    await kept.look()
    assert list(file.parent.iterdir()) == [fresh]


def release(worker: Worker) -> None:
    """As the kernel does when the process is killed: the locks are gone, the files are as they were."""
    worker.queue._closed = True
    for file in filter(None, [worker.queue._own, *worker.queue._earlier]):
        os.close(file._descriptor)
