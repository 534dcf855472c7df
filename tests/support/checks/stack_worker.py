"""A worker that writes down through which modules each of its happenings reached the engine's socket, the outermost first.

    python -m rookery_simulator.whatsapp.trusting_worker .../stack_worker.py ...

The library calls from threads of Go's, which no profile function follows; the stack at the socket shows the same way.
"""

import json
import os
import sys
from pathlib import Path

from rookery_whatsapp.protocol import FromWorker, Happened
from rookery_whatsapp.worker.channel import Channel
from rookery_whatsapp.worker.host import main

FILE_VARIABLE = "ROOKERY_TEST_STACKS"


class NotingChannel:
    """Replaces `Channel.send`."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._send = Channel.send

    def install(self) -> None:
        note, send = self._note, self._send

        def noting(self: Channel, frame: FromWorker) -> None:
            if isinstance(frame, Happened):
                note()
            send(self, frame)

        Channel.send = noting  # type: ignore[method-assign]

    def _note(self) -> None:
        frame, names = sys._getframe(2), [Channel.__module__]
        while frame is not None:
            names.append(frame.f_globals.get("__name__", ""))
            frame = frame.f_back  # type: ignore[assignment]
        with self._file.open("a") as file:
            file.write(json.dumps(names[::-1]) + "\n")


if __name__ == "__main__":
    NotingChannel(Path(os.environ[FILE_VARIABLE])).install()
    main(int(sys.argv[1]))
