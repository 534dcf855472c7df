"""Measure which lines of the product the tests reach, in their own processes and in those that they start.

    python .ci/coverage.py prepare FOLDER
    python -m slipcover --source engine,http,providers --json --out FOLDER/own.json -m pytest ...
    python .ci/coverage.py remove
    python .ci/coverage.py report FOLDER

Slipcover measures pytest's processes. It would add two seconds to the start of each other process (commands, servers,
workers of WhatsApp), and could not write what a killed one reached; those record their lines with `followed_lines`.
`prepare` installs that into this Python's environment, `remove` takes it out again; `report` removes it too, prints the
figures and fails below the floor.
"""

from __future__ import annotations

import ast
import json
import marshal
import shutil
import sys
import sysconfig
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SOURCES = ("engine", "http", "providers")
FLOOR = 96.0
"""Percent of all lines; it only rises."""
RECORDER = "followed_lines"


def prepare(folder: Path, roots: list[Path], site: Path) -> None:
    """Compile every module below `roots` so that it records its lines in `folder`, and start the recorder in each process
    of the environment whose packages are in `site`."""
    folder.mkdir(parents=True, exist_ok=True)
    index: dict[str, str] = {}
    size = 1
    for number, path in enumerate(sorted(path for root in roots for path in root.resolve().rglob("*.py"))):
        source = path.read_bytes()
        code = compile(_Probes(size).visit(ast.parse(source)), str(path), "exec", dont_inherit=True)
        compiled = folder / f"{number}.code"
        compiled.write_bytes(marshal.dumps(code))
        index[str(path)] = str(compiled)
        size += _length(source)
    (folder / "reached").write_bytes(bytes(size))
    (folder / "index").write_bytes(marshal.dumps(index))
    shutil.copy(Path(__file__).with_name(f"{RECORDER}.py"), site)
    (site / f"{RECORDER}.pth").write_text(f"import {RECORDER}; {RECORDER}.start({str(folder.resolve())!r})\n")


def reached_lines(folder: Path) -> dict[str, set[int]]:
    """Per file, the lines that started processes reached: whole statements, and the heads of compound ones."""
    reached = (folder / "reached").read_bytes()
    lines: dict[str, set[int]] = {}
    start = 1
    for path in marshal.loads((folder / "index").read_bytes()):  # noqa: S302 - we wrote it
        source = Path(path).read_bytes()
        found = lines[path] = set[int]()
        for first, last, mark in _spans(ast.parse(source)):
            if reached[start + mark]:
                found.update(range(first, last + 1))
        start += _length(source)
    return lines


def uninstall(site: Path) -> None:
    """Leave the environment as it was."""
    for suffix in (".pth", ".py"):
        (site / f"{RECORDER}{suffix}").unlink(missing_ok=True)


def report(folder: Path) -> int:
    """Print the figures of each package and of all; the exit code."""
    own: dict[str, Any] = json.loads((folder / "own.json").read_text())["files"]
    started = reached_lines(folder)
    print("reached by the tests' own processes, and with those that they start:")
    lines: dict[str, Counter[str]] = {}
    for name, file in own.items():
        executed, missing = set(file["executed_lines"]), set(file["missing_lines"])
        more = missing & started.get(str(Path(name).resolve()), set())
        for package in ("/".join(Path(name).parts[:2]), "all"):
            counts = lines.setdefault(package, Counter())
            counts.update(all=len(executed | missing), own=len(executed), with_started=len(executed) + len(more))
    for package, counts in sorted(lines.items(), key=lambda item: (item[0] == "all", item[0])):
        own_share, share = (100 * counts[which] / counts["all"] for which in ("own", "with_started"))
        print(f"{own_share:5.1f} % {share:5.1f} %  {package}")
    percent = 100 * lines["all"]["with_started"] / lines["all"]["all"]
    print(f"{percent:5.1f} % of {lines['all']['all']} lines are reached; the floor is {FLOOR:.1f} %")
    return 0 if percent >= FLOOR else 1


class _Probes(ast.NodeTransformer):
    """Puts `__reached__[start + line] = 1` ahead of each statement, but a docstring and imports from `__future__`."""

    def __init__(self, start: int) -> None:
        self._start = start

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        for field in ("body", "orelse", "finalbody"):
            statements = getattr(node, field, None)
            if isinstance(statements, list):  # the body of a lambda is none
                setattr(node, field, list(self._with_probes(statements, docstring=field == "body")))
        return node

    def _with_probes(self, statements: list[ast.stmt], *, docstring: bool) -> Iterator[ast.stmt]:
        for place, statement in enumerate(statements):
            if not _is_silent(statement, first=docstring and place == 0):
                probe = ast.parse(f"__reached__[{self._start + statement.lineno}] = 1").body[0]
                for node in ast.walk(probe):
                    if "lineno" in node._attributes:
                        ast.copy_location(node, statement)
                yield probe
            yield statement


def _is_silent(statement: ast.stmt, *, first: bool) -> bool:
    if isinstance(statement, ast.ImportFrom):
        return statement.module == "__future__"
    return first and isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _spans(tree: ast.Module) -> Iterator[tuple[int, int, int]]:
    """The first and last line of each statement or head of one, and the line whose probe says that it was reached."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            yield node.lineno, node.body[0].lineno - 1, node.body[0].lineno
        elif isinstance(node, ast.match_case):
            yield node.pattern.lineno, node.body[0].lineno - 1, node.body[0].lineno
        elif isinstance(node, ast.stmt):
            first = min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", []))])
            if isinstance(node, ast.Match):
                last = node.cases[0].pattern.lineno - 1
            elif body := getattr(node, "body", None):
                last = body[0].lineno - 1
            else:
                last = node.end_lineno or node.lineno
            yield first, max(node.lineno, last), node.lineno


def _length(source: bytes) -> int:
    return source.count(b"\n") + 2


def main() -> int:
    """The exit code."""
    site = Path(sysconfig.get_path("purelib"))
    match sys.argv[1:]:
        case ["prepare", folder]:
            prepare(Path(folder), [Path(source) for source in SOURCES], site)
        case ["remove"]:
            uninstall(site)
        case ["report", folder]:
            uninstall(site)
            return report(Path(folder))
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
