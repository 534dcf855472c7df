"""Ends a worker, and ensures that it does not outlive its engine. The end of the engine's socket is the first sign;
this module works even when another process still holds that socket, or when this process hangs."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from contextlib import suppress
from typing import NoReturn

PR_SET_PDEATHSIG = 1  # linux/prctl.h

_parent = os.getppid()


def die_with_parent() -> None:
    """Ask Linux to kill this process when the thread that started it ends; does nothing on other systems."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    end_if_orphaned()


def end_if_orphaned() -> None:
    """End this process when the engine's process is gone."""
    if os.getppid() != _parent:
        end_now()


def end() -> NoReturn:
    """End at once, without waiting for the library's threads."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # the engine has closed the pipe
            stream.flush()
    os._exit(0)


def end_now() -> NoReturn:
    """Like `end`, but without flushing output: the pipes to a frozen engine may be full."""
    os._exit(0)
