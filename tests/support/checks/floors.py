"""The import graph of the source trees: which module imports which, upward arrows and circles. Full folders, long modules."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

MODULES_PER_FOLDER = 15
LINES_PER_MODULE = 300

Graph = dict[str, dict[str, str]]
"""Module -> imported module -> where the import stands, as `path:line`."""
Floors = Sequence[frozenset[str]]
"""Rooms of a package from the ground up. A room is a module or a folder directly below the package."""


def module_files(root: Path) -> dict[str, Path]:
    """The modules below a source root by dotted name."""
    found = {}
    for file in sorted(root.rglob("*.py")):
        parts = file.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def import_graph(roots: Sequence[Path]) -> Graph:
    """Every import between modules of these source roots, also those inside functions and under TYPE_CHECKING."""
    files = {name: file for root in roots for name, file in module_files(root).items()}
    graph: Graph = {name: {} for name in files}
    for name, file in files.items():
        package = name if file.name == "__init__.py" else name.rpartition(".")[0]
        for node in _imports(file.read_text()):
            for target in _targets(node, package, files):
                if target != name:
                    graph[name].setdefault(target, f"{file}:{node.lineno}")  # type: ignore[attr-defined]
    return graph


@cache
def _imports(source: str) -> tuple[ast.AST, ...]:
    """The same source is parsed once, however many copies of the tree are looked at."""
    return tuple(node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Import | ast.ImportFrom))


def _targets(node: ast.AST, package: str, files: Mapping[str, Path]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names if alias.name in files)
    elif isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            parents = package.split(".")
            parents = parents[: len(parents) - node.level + 1]
            base = ".".join([*parents, *([node.module] if node.module else [])])
        for alias in node.names:
            target = f"{base}.{alias.name}"
            if target in files:
                yield target
            elif base in files:
                yield base


def room_of(module: str, package: str) -> str:
    """The room that a module is in; empty for the package's own `__init__`."""
    return module.removeprefix(package).lstrip(".").partition(".")[0]


def upward_imports(graph: Graph, package: str, floors: Floors) -> list[str]:
    """Sentences about imports that run up, or to another room of the same floor, and about rooms without a floor."""
    level = {room: number for number, floor in enumerate(floors) for room in floor}
    inside = [name for name in graph if name == package or name.startswith(package + ".")]
    wrong = [
        f"{package}.{room} has no floor: add it to FLOORS in tests/engine/test_architecture.py, above all that it imports"
        for room in sorted({room_of(name, package) for name in inside} - {""} - level.keys())
    ]
    for name in inside:
        for target, place in graph[name].items():
            mine, theirs = room_of(name, package), room_of(target, package)
            if target not in inside or mine == theirs or not (mine in level and theirs in level):
                continue
            if level[theirs] >= level[mine]:
                wrong.append(
                    f"{place}: {name} imports {target}, but `{theirs}` is not below `{mine}`: move the code down, or let the "
                    "upper room pass in what the lower one needs (a value, a callable, a small Protocol)"
                )
    return wrong


def circles(graph: Graph) -> list[list[str]]:
    """Groups of modules that import each other, directly or through others (Tarjan's algorithm), each sorted."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for target in graph[name]:
            if target not in index:
                visit(target)
                low[name] = min(low[name], low[target])
            elif target in stack:
                low[name] = min(low[name], index[target])
        if low[name] == index[name]:
            group = [stack.pop()]
            while group[-1] != name:
                group.append(stack.pop())
            if len(group) > 1:
                found.append(sorted(group))

    for name in graph:
        if name not in index:
            visit(name)
    return sorted(found)


def crowded_folders(root: Path) -> list[str]:
    """Sentences about folders with too many modules; `__init__` and `__main__` do not count."""
    wrong = []
    for folder in sorted({file.parent for file in root.rglob("*.py")}):
        count = sum(file.stem not in ("__init__", "__main__") for file in folder.glob("*.py"))
        if count > MODULES_PER_FOLDER:
            wrong.append(
                f"{folder} holds {count} modules, and {MODULES_PER_FOLDER} are the limit: group those that belong together "
                "in a folder named after what they share"
            )
    return wrong


def long_modules(root: Path) -> dict[str, str]:
    """Modules with too many lines by their path below `root`, each with a sentence that says what to do."""
    wrong = {}
    for file in sorted(root.rglob("*.py")):
        lines = len(file.read_text().splitlines())
        if lines > LINES_PER_MODULE:
            path = str(file.relative_to(root))
            wrong[path] = (
                f"{path} has {lines} lines, and {LINES_PER_MODULE} are the limit: move what can be named on its own (a "
                "class, a group of functions about one noun) into a module of that name"
            )
    return wrong
