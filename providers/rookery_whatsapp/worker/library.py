"""The import of neonize, and what has to be said to it before it is used."""

from __future__ import annotations

import importlib
import logging
import platform
import sys
import types
from importlib.metadata import PackageNotFoundError, version


class Unusable(Exception):
    """neonize cannot be loaded here; the text says what to do."""


def load() -> str:
    """Import neonize; returns its name and version. Raises Unusable."""
    _without_libmagic()
    try:
        name = f"neonize {version('neonize')}"
    except PackageNotFoundError:
        raise Unusable("neonize is not installed: pip install 'rookery[whatsapp]'") from None
    try:
        importlib.import_module("neonize.client")
    except Exception as error:
        where = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
        raise Unusable(f"{name} cannot be loaded on {where}: {type(error).__name__}: {error}") from None
    # It reports what it did not expect through whatsmeow's own log, at this level.
    logging.getLogger("neonize.utils.log").setLevel(logging.WARNING)
    return name


def _without_libmagic() -> None:
    """neonize imports `magic` to guess the kinds of files, which is never needed here: files come with their kind. Where
    no libmagic can be found the import would fail, so it gets an empty module instead."""
    try:
        importlib.import_module("magic")
    except ImportError:
        sys.modules["magic"] = types.ModuleType("magic")
