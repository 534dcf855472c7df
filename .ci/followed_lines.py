"""Records the lines that a started process reaches; `coverage.py` beside it copies this module into the environment of
the tests, with a `.pth` file that calls `start` in every Python process.

Each product file was compiled beforehand with `__reached__[number] = 1` ahead of each statement. `__reached__` is a file
that all processes map into memory, so nothing is written at exit, and a process that is killed counts too. Starting costs a
few milliseconds, for nothing is compiled.
"""

from __future__ import annotations

import builtins
import marshal
import mmap
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import cast

XDIST = "import sys;exec(eval(sys.stdin.readline()))"
"""How pytest-xdist starts its workers. Slipcover measures those, and pytest itself."""


class _Loader(SourceFileLoader):
    def __init__(self, fullname: str, path: str, compiled: str) -> None:
        super().__init__(fullname, path)
        self._compiled = compiled

    def get_code(self, fullname: str) -> CodeType | None:
        return cast("CodeType", marshal.loads(Path(self._compiled).read_bytes()))  # noqa: S302 - we wrote it


class _Finder:
    def __init__(self, compiled: dict[str, str]) -> None:
        self._compiled = compiled

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.origin in self._compiled:
            spec.loader = _Loader(name, spec.origin, self._compiled[spec.origin])
        return spec


def start(folder: str) -> None:
    """Record the lines of this process in `folder`; does nothing when the folder is gone, or in pytest's own processes."""
    if XDIST in sys.orig_argv or "slipcover" in sys.orig_argv:
        return
    try:
        index = marshal.loads((Path(folder) / "index").read_bytes())  # noqa: S302 - we wrote it
        with (Path(folder) / "reached").open("r+b") as file:
            reached = mmap.mmap(file.fileno(), 0)
    except OSError:
        return
    builtins.__reached__ = reached  # type: ignore[attr-defined]
    sys.meta_path.insert(0, _Finder(index))
