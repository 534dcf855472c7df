"""Exit codes for failures that any command may meet while it prints."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress


def guarded(command: Callable[[], int]) -> int:
    """Run a command and return its exit code.

    A reader that closes the output early (`rookery events | head -1`) does not count as a failure; another error of the
    system, such as a full disk, is printed and becomes 1.
    """
    try:
        code = command()
        sys.stdout.flush()
    except SystemExit as end:  # how the argument library exits when the reader has gone
        if not isinstance(end.__context__, BrokenPipeError):
            raise
        code = 0
    except BrokenPipeError:
        code = 0
    except OSError as error:
        text = "".join(sign if sign.isprintable() else " " for sign in str(error))
        sys.stderr.write(f"rookery: {text}\n")
        code = 1
    else:
        return code
    if sys.__stdout__ is not None:
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            # Otherwise the interpreter reports unwritten output when it exits.
            os.dup2(nowhere, sys.__stdout__.fileno())
            os.close(nowhere)
    return code
