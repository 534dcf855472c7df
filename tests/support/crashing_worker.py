"""A worker that calls into the library's known crash on SIGUSR1: a look-up of a client that does not exist."""

import signal
import sys
import threading
from types import FrameType

from neonize.client import NewClient

from rookery_whatsapp.worker.host import main


def crash(number: int, frame: FrameType | None) -> None:
    threading.Thread(target=NewClient("nobody").get_me).start()


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, crash)
    main(int(sys.argv[1]))
