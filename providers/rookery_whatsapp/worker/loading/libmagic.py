"""neonize imports `magic` (python-magic), which needs the C library libmagic; the wheel `pylibmagic` brings one.

Importing pylibmagic would change `ctypes` and the environment of the whole process. On Linux it is enough to load its file:
the system finds an already loaded library by its name. Only the standard library is imported here.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import sys
from importlib.util import find_spec
from pathlib import Path

NAME = "libmagic.so.1"  # the name that python-magic loads


def provide_libmagic() -> None:
    """Make `import magic` succeed on a system without libmagic, if possible. A system's own libmagic stays in use."""
    if sys.platform == "linux":
        if not _loads(NAME) and (folder := _wheel()) is not None and _loads(str(folder / NAME)):
            os.environ.setdefault("MAGIC", str(folder / "magic.mgc"))
    elif sys.platform == "darwin" and _wheel() is not None:
        importlib.import_module("pylibmagic")  # extends the library path, and changes nothing else there


def _loads(name: str) -> bool:
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def _wheel() -> Path | None:
    spec = find_spec("pylibmagic")
    return Path(spec.origin).parent if spec is not None and spec.origin is not None else None
