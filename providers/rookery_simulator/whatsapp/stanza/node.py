"""A stanza: WhatsApp's XML-like tree, as it travels in binary form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .jid import Jid

Attribute = str | Jid
# Values that `node` accepts; None leaves the attribute out.
Attrs = dict[str, str | Jid | int | None]


@dataclass(slots=True)
class Node:
    """`content` is raw bytes, child nodes, or nothing; text is always kept as its UTF-8 bytes."""

    tag: str
    attrs: dict[str, Attribute] = field(default_factory=dict)
    content: bytes | list[Node] | None = None

    @property
    def children(self) -> list[Node]:
        return self.content if isinstance(self.content, list) else []

    @property
    def data(self) -> bytes:
        return self.content if isinstance(self.content, bytes) else b""

    def child(self, *path: str) -> Node | None:
        """The first descendant at `path`, one tag a level."""
        found: Node | None = self
        for tag in path:
            found = next((child for child in found.children if child.tag == tag), None) if found else None
        return found

    def require(self, *path: str) -> Node:
        """As `child`, but raises KeyError: for children that a correct client always sends."""
        found = self.child(*path)
        if found is None:
            raise KeyError(f"<{self.tag}> has no {'/'.join(path)}")
        return found

    def get(self, name: str, default: str = "") -> str:
        """An attribute as text, an address included."""
        return str(self.attrs.get(name, default))

    def jid(self, name: str) -> Jid | None:
        """An attribute as an address; None when it is missing."""
        value = self.attrs.get(name)
        if value is None or isinstance(value, Jid):
            return value
        return Jid.parse(value) if "@" in value else Jid("", value)

    def __str__(self) -> str:
        attrs = "".join(f' {name}="{value}"' for name, value in self.attrs.items())
        if self.content is None:
            return f"<{self.tag}{attrs}/>"
        inner = (
            f"[{len(self.content)} bytes]"
            if isinstance(self.content, bytes)
            else "".join(str(child) for child in self.content)
        )
        return f"<{self.tag}{attrs}>{inner}</{self.tag}>"


def node(
    tag: str,
    attrs: Attrs | None = None,
    content: bytes | str | Sequence[Node] | None = None,
) -> Node:
    """Build a stanza: attributes that are None are left out, numbers become text, and so does text content."""
    kept = {name: _attribute(value) for name, value in (attrs or {}).items() if value is not None}
    if isinstance(content, str):
        content = content.encode()
    return Node(tag, kept, content if content is None or isinstance(content, bytes) else list(content))


def _attribute(value: Attribute | int) -> Attribute:
    return value if isinstance(value, Jid) else str(value)
