"""A send for which the time is over before it leaves the worker. The library only counts; in a process of its own, because
the module loads the real one."""

from __future__ import annotations

import json
import subprocess
import sys

PROGRAM = """
import json, sys
from contextlib import contextmanager
from types import SimpleNamespace
import rookery_whatsapp.worker.loading.library as loading
loading.load()
from rookery_whatsapp.worker.calls import methods
from rookery_whatsapp.worker.gate import Gated, MapGate

now, waiting, uploading, sending, within, usable = json.loads(sys.argv[1])
to, sent, uploaded = "4915100000002@s.whatsapp.net", [], dict.fromkeys(["url", "DirectPath"], "/")
uploaded |= dict.fromkeys(["MediaKey", "FileEncSHA256", "FileSHA256"], b"k") | {"FileLength": 1}
methods.time = SimpleNamespace(monotonic=lambda: now)

class Gate(MapGate):
    @contextmanager
    def call(self):
        global now
        now += waiting
        yield

class Library:
    def upload(self, data, kind):
        global now
        now += uploading
        return SimpleNamespace(**uploaded)
    def send_message(self, to, message):
        global now
        now += sending
        sent.append(message)
        return SimpleNamespace(ID=f"id{len(sent)}", Timestamp=1, Chat=to)

library, gate = Library(), Gate()
client = SimpleNamespace(library=library, gate=gate, gated=Gated(library, gate, lambda: client.usable), usable=usable)
item = {"content": {"type": "image", "mime_type": "image/png"}, "data": b"x"}
try:
    methods.send(client, {"to": to, "content": {"type": "album"}, "items": [item, item], "within": within})
    kind = "sent"
except methods.CallFailed as failure:
    kind = failure.kind
print(json.dumps([kind, len(sent)]))
"""


def send(
    *, waiting: float = 0, uploading: float = 0, sending: float = 0, within: float = 5, usable: bool = True
) -> list[object]:
    """An album of two pictures: the kind of its failure, and how many messages left. Times in seconds; `waiting`: at the
    gate, for each call."""
    arguments = json.dumps([0, waiting, uploading, sending, within, usable])
    run = subprocess.run([sys.executable, "-c", PROGRAM, arguments], check=True, capture_output=True, text=True)
    found: list[object] = json.loads(run.stdout)
    return found


def test_in_time_everything_leaves() -> None:
    assert send() == ["sent", 3]


def test_after_a_slow_download_or_upload_nothing_leaves_and_it_may_be_repeated() -> None:
    assert send(within=-1) == ["not_connected", 0]
    assert send(uploading=3) == ["not_connected", 0]


def test_the_wait_at_the_gate_counts() -> None:
    assert send(waiting=2) == ["not_connected", 0], "4 s for the uploads, 2 s before the message"


def test_no_part_of_an_album_leaves_late() -> None:
    assert send(sending=3) == ["unknown", 2]


def test_a_client_that_was_stopped_meanwhile_is_not_named_to_the_library() -> None:
    assert send(usable=False) == ["not_connected", 0]
