"""A client that ends while a call to it waits for the gate. The real library would end the process, so one that only counts
stands in for it; in a process of its own, because the module loads the real one."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import sys, threading
import rookery_whatsapp.worker.loading.library as loading
loading.load()
from rookery_whatsapp.worker.client import Client
from rookery_whatsapp.worker.gate import MapGate

class Library:
    calls = 0
    def connect(self, proxy):
        raise RuntimeError("a value that it does not know")
    def disconnect(self):
        self.calls += 1

class Waiting(MapGate):
    def begin(self):
        waits.set()
        return super().begin()

waits = threading.Event()
client = Client.__new__(Client)
client.gate, client.library, client.usable, client.live = Waiting(), Library(), True, False
client._lock, client._start = threading.Lock(), type("Start", (), {"proxy": None})
client._end = lambda error: None

def call():
    try:
        getattr(client, sys.argv[1])()
    except RuntimeError:
        pass

change = client.gate.begin_change()
thread = threading.Thread(target=call)
thread.start()
assert waits.wait(10)
client.usable = sys.argv[2] == "usable"
client.gate.end_change(change)
thread.join(10)
print(client.library.calls)
"""


@pytest.mark.parametrize("method", ["_stop", "_connect"])
@pytest.mark.parametrize(("state", "calls"), [("usable", "1"), ("stopped", "0")])
def test_a_client_that_is_gone_is_not_named_to_the_library(method: str, state: str, calls: str) -> None:
    command = [sys.executable, "-c", PROGRAM, method, state]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip() == calls
