"""WhatsApp's protobuf messages, taken from the neonize wheel without loading its Go library.

Importing `neonize` loads the library into the process, and the library may end it. The generated `*_pb2` modules do not
need it: they import each other by top-level names from the folder `neonize/proto`, so that folder is put on the path for
the moment of the import.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from functools import cache
from pathlib import Path
from typing import Any


@cache
def load(package: str, module: str) -> Any:
    """The generated module `package.module`, for example `load("waE2E", "WAWebProtobufsE2E")`.

    Raises ModuleNotFoundError where neonize is not installed.
    """
    found = importlib.util.find_spec("neonize")
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError("the simulator takes WhatsApp's message schemas from the package neonize")
    folder = str(Path(next(iter(found.submodule_search_locations))) / "proto")
    sys.path.insert(0, folder)
    try:
        return importlib.import_module(f"{package}.{module}_pb2")
    finally:
        sys.path.remove(folder)


def handshake() -> Any:
    """HandshakeMessage and ClientPayload."""
    return load("waWa6", "WAWebProtobufsWa6")


def certificates() -> Any:
    """CertChain."""
    return load("waCert", "WACert")


def identities() -> Any:
    """ADVDeviceIdentity and its signed forms."""
    return load("waAdv", "WAAdv")


def messages() -> Any:
    """Message, the content that users send each other."""
    return load("waE2E", "WAWebProtobufsE2E")


def sync_actions() -> Any:
    """SyncActionData, the content of app state."""
    return load("waSyncAction", "WAWebProtobufSyncAction")


def history() -> Any:
    """HistorySync, the past that a phone sends to a new device."""
    return load("waHistorySync", "WAWebProtobufsHistorySync")


def server_sync() -> Any:
    """SyncdPatch, the envelope of app state."""
    return load("waServerSync", "WAWebProtobufsServerSync")
