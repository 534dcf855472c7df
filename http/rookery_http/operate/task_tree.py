"""The tree of trio tasks and where each waits, for systems that are stuck. It shows names of functions and lines of
code, never the values of variables, which may be secrets."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import trio

DEPTH = 500
"""Maximum depth shown; a deeper tree is a bug in itself, and is cut here."""

_TRIO = Path(trio.__file__).parent
_ROOTS = tuple(sorted((entry.rstrip("/") + "/" for entry in sys.path if entry), key=len, reverse=True))


class Task(msgspec.Struct, frozen=True):
    """One task; its children follow it with a greater `depth`. `waits_at` is the innermost line that is not trio's own."""

    depth: int
    name: str
    waits_at: str
    waits_in: str


def task_tree() -> list[Task]:
    """Every task of this trio run, parents before their children. Call this from trio."""
    root = trio.lowlevel.current_root_task()
    return list(_walk(root, 0)) if root is not None else []


def lines(tree: list[Task]) -> Iterator[str]:
    """The tree as indented lines for people."""
    for task in tree:
        yield f"{'  ' * task.depth}{task.name}: {task.waits_at} {task.waits_in}".rstrip()


def _walk(task: trio.lowlevel.Task, depth: int) -> Iterator[Task]:
    at, inside = _where(task)
    yield Task(depth, task.name, at, inside)
    if depth < DEPTH:
        for nursery in task.child_nurseries:
            for child in nursery.child_tasks:
                yield from _walk(child, depth + 1)


def _where(task: trio.lowlevel.Task) -> tuple[str, str]:
    if task is trio.lowlevel.current_task():
        return "runs", ""
    frames = [(frame.f_code, line) for frame, line in task.iter_await_frames()]
    if not frames or (inspect.iscoroutine(task.coro) and inspect.getcoroutinestate(task.coro) == inspect.CORO_CREATED):
        return "has not begun", ""
    own = [found for found in frames if not Path(found[0].co_filename).is_relative_to(_TRIO)]
    code, line = own[-1] if own else frames[0]
    return place(code.co_filename, line), code.co_qualname


def place(file: str, line: int) -> str:
    """A line of code for people."""
    return f"{_short(file)}:{line}"


def _short(file: str) -> str:
    """The path relative to the directory that it was imported from: the log must not show paths of this machine."""
    for root in _ROOTS:
        if file.startswith(root):
            return file[len(root) :]
    return Path(file).name
