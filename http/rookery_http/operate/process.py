"""Sets up the process of `rookery serve`: raises its descriptor limit, and does the duties of pid 1 in a container."""

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
    # Signals of faults in this process itself.
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
    """As pid 1, fork: the server goes on in the child, and pid 1 acts as a small init that passes signals on, reaps
    orphans, and ends as the child ends.

    In a container, a process whose parent has died becomes a child of pid 1, and after its end stays a zombie until pid
    1 waits for it. The server cannot do that itself: it would also reap its own workers before the code that waits for
    them. Call this before there is a second thread. Does nothing where pid 1 is another process (`docker run --init`,
    `init: true`).
    """
    if os.getpid() != 1:
        return
    signals: set[int] = {int(number) for number in FORWARDED}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)  # signals that arrive meanwhile go to the child
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)  # a terminal sends Ctrl+C to its whole process group, and init passes it on: once is enough
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
