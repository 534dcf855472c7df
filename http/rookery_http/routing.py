"""Finds the row of the table that answers a method and a path.

Paths are split before they are decoded: an encoded slash is part of an id and does not separate segments. A literal
path in the table wins over a path with a name in braces that also fits.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote

from .call_table import Call


class _Node:
    __slots__ = ("calls", "children", "name", "parameter")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.parameter: _Node | None = None
        self.name = ""
        self.calls: dict[str, Call] = {}


class Router:
    """The table of calls as a tree of path segments."""

    def __init__(self, table: Iterable[Call]) -> None:
        self._root = _Node()
        for row in table:
            node, names = self._root, []
            for segment in row.path.strip("/").split("/"):
                if segment.startswith("{"):
                    if node.parameter is None:
                        node.parameter = _Node()
                    names.append(segment[1:-1])
                    node = node.parameter
                else:
                    node = node.children.setdefault(segment, _Node())
            node.name = ",".join(names)
            node.calls[row.method] = row
            if row.method == "GET":
                node.calls["HEAD"] = row
        self._fixed = {row.path: self._find(row.path)[0] for row in table if "{" not in row.path}

    def find(self, raw_path: str) -> tuple[dict[str, Call], dict[str, Any]] | None:
        """The calls of a path by method, and the values of the names in braces; None for an unknown path."""
        values: tuple[str, ...] = ()
        node = self._fixed.get(raw_path)
        if node is None:
            node, values = self._find(raw_path)
        if node is None:
            return None
        return node.calls, dict(zip(node.name.split(","), values, strict=True)) if values else {}

    def _find(self, raw_path: str) -> tuple[_Node | None, tuple[str, ...]]:
        if not raw_path.startswith("/"):
            return None, ()
        segments = raw_path[1:].split("/")
        if "%" in raw_path:
            segments = [unquote(segment, errors="replace") for segment in segments]
        return _descend(self._root, segments, 0, ())


def _descend(
    node: _Node, segments: list[str], position: int, values: tuple[str, ...]
) -> tuple[_Node | None, tuple[str, ...]]:
    if position == len(segments):
        return (node, values) if node.calls else (None, ())
    segment = segments[position]
    if (child := node.children.get(segment)) is not None:
        found = _descend(child, segments, position + 1, values)
        if found[0] is not None:
            return found
    if node.parameter is not None and segment:
        return _descend(node.parameter, segments, position + 1, (*values, segment))
    return None, ()
