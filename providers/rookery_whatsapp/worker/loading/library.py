"""Imports neonize and sets it up before its first use."""

from __future__ import annotations

import importlib
import logging
import platform
import sys
import types
from importlib.metadata import PackageNotFoundError, version

from . import library_log
from .left_out import leave_out
from .libmagic import provide_libmagic

PLATFORMS = "Linux with glibc on x86_64, aarch64, i686 and s390x, and macOS 12 or newer on x86_64 and arm64"
"""Platforms for which neonize 0.5.2 has a build that Rookery can use; keep the markers in pyproject.toml in step."""


class Unusable(Exception):
    """neonize cannot be loaded here; the message says what to do."""


def load() -> str:
    """Import neonize; returns its name and version. Raises Unusable."""
    _without_libmagic()
    try:
        name = f"neonize {version('neonize')}"
    except PackageNotFoundError:
        raise Unusable(_missing()) from None
    leave_out()
    try:
        importlib.import_module("neonize.client")
    except Exception as error:
        raise Unusable(
            f"{name} cannot be loaded on {_here()}: {type(error).__name__}: {error}; it runs on {PLATFORMS}"
        ) from None
    from neonize import _binder, client
    from neonize.proto.Neonize_pb2 import LogEntry

    # neonize 0.5.2 forgets to convert what this one function returns.
    _binder.gocode.DecryptPollVote.errcheck = _binder.consume_bytes_struct
    # neonize reports unexpected input through whatsmeow's own log, at this level.
    logging.getLogger("neonize.utils.log").setLevel(logging.WARNING)
    library_log.listen(client, LogEntry)
    return name


def _missing() -> str:
    if _has_build():
        return "neonize is not installed: install Rookery with its extra `whatsapp`"
    return f"neonize has no build for {_here()}; it runs on {PLATFORMS}. Everything but WhatsApp works here"


def _has_build() -> bool:
    system, machine = platform.system(), platform.machine()
    if system == "Linux":
        return machine in ("x86_64", "aarch64", "i686", "s390x") and platform.libc_ver()[0] == "glibc"
    return system == "Darwin" and machine in ("x86_64", "arm64")


def _here() -> str:
    libc = platform.libc_ver()[0] or "another libc"
    system = f"Linux ({libc})" if platform.system() == "Linux" else platform.system()
    return f"{system} {platform.machine()}, Python {platform.python_version()}"


def _without_libmagic() -> None:
    """neonize imports `magic` to guess file types. Rookery never needs that, because its files come with their types. Without
    libmagic the import would fail, so neonize gets an empty module instead."""
    provide_libmagic()
    try:
        importlib.import_module("magic")
    except ImportError:
        sys.modules["magic"] = types.ModuleType("magic")
