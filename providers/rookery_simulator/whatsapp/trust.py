"""Make an unmodified neonize wheel trust the simulator, inside a worker that exists for tests only.

The wheel checks the server's Noise certificate against one public key, 32 bytes that lie in the writable data of its
shared library. `replace_root_key` finds them in the calling process's own memory and writes the simulator's key there.
TLS needs no trick: Go reads `SSL_CERT_FILE`, and `ProxySettings` sends the fixed address through the simulator's proxy.

This module imports nothing but the standard library: the worker has neither Trio nor the rest of the simulator.
"""

from __future__ import annotations

import ctypes
from pathlib import Path

WHATSAPP_ROOT_KEY = bytes.fromhex("142375574d0a587166aae71ebe516437c4a28b73e3695c6ce1f7f9545da8ee6b")


class RootKeyNotFound(RuntimeError):
    """The library is not loaded, or a new version keeps its key elsewhere."""


def replace_root_key(new_key: bytes, *, library: str = "neonize", old_key: bytes = WHATSAPP_ROOT_KEY) -> int:
    """Replace each copy of `old_key` in the writable memory of the loaded `library`; returns how many there were.

    Call it after `import neonize` and before the first connection. Raises RootKeyNotFound when there was none.
    """
    if len(new_key) != len(old_key):
        raise ValueError(f"a key has {len(old_key)} bytes")
    replaced = 0
    for start, size in _writable_mappings(library):
        memory = ctypes.string_at(start, size)
        offset = memory.find(old_key)
        while offset >= 0:
            ctypes.memmove(start + offset, new_key, len(new_key))
            replaced += 1
            offset = memory.find(old_key, offset + 1)
    if not replaced:
        raise RootKeyNotFound(f"no writable copy of the root key in {library!r}")
    return replaced


def _writable_mappings(library: str) -> list[tuple[int, int]]:
    """Address and size of each writable mapping of files whose name begins with `library`."""
    found = []
    for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines():
        fields = line.split(maxsplit=5)
        if len(fields) == 6 and fields[1].startswith("rw") and Path(fields[5]).name.startswith(library):
            start, end = (int(address, 16) for address in fields[0].split("-"))
            found.append((start, end - start))
    return found
