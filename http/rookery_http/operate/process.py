"""What `rookery serve` asks of its process: as many descriptors as it may have, and the duties of pid 1 in a container."""

from __future__ import annotations

import os
import resource
import signal
import sys
from contextlib import suppress
from types import FrameType

FORWARDED = frozenset(signal.valid_signals()) - {
    signal.SIGKILL,
    signal.SIGSTOP,
    signal.SIGCHLD,
    signal.SIGPIPE,
    signal.SIGTSTP,
    signal.SIGTTIN,
    signal.SIGTTOU,
    # Faults of this process itself.
    signal.SIGSEGV,
    signal.SIGBUS,
    signal.SIGFPE,
    signal.SIGILL,
    signal.SIGABRT,
}


def raise_descriptor_limit() -> None:
    """Raise the soft limit of open files to the hard one; 1024 exists for programs that use `select`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(OSError, ValueError):  # some systems allow less than they say
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def leave_pid_1() -> None:
    """As pid 1, go on in a child, and stay behind as a small init: pass signals on, reap orphans, end as the child ends.

    Whoever dies without a parent in a container becomes a child of pid 1, and stays a zombie until that waits for it. The
    server cannot do this itself without taking the ends of its own workers from those who wait for them. Call it before
    there is a second thread. Does nothing where pid 1 is another process (`docker run --init`, `init: true`).
    """
    if os.getpid() != 1:
        return
    signals: set[int] = {int(number) for number in FORWARDED}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)  # what comes meanwhile is passed on to the child
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)  # a terminal tells its whole group of Ctrl+C, and init passes it on: once is enough
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
        return
    _be_init(child, signals)


def _be_init(child: int, signals: set[int]) -> None:
    def forward(number: int, _: FrameType | None) -> None:
        with suppress(ProcessLookupError):
            os.kill(child, number)

    for number in signals:
        with suppress(OSError, ValueError):
            signal.signal(number, forward)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
    while True:
        try:
            pid, status = os.waitpid(-1, 0)
        except InterruptedError:
            continue
        except ChildProcessError:
            os._exit(1)
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            sys.stdout.flush()
            os._exit(code if code >= 0 else 128 - code)
