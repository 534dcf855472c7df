"""How fast the Bot API simulator is; run by hand: `python tests/providers/bench_bot_api_simulator.py`.

The simulator runs in a process of its own and the load comes from this one over plain sockets, one request in flight
on each connection. No test asserts these numbers.
"""

from __future__ import annotations

import json
import resource
import selectors
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from typing import Any

TOKEN = "700001:AAbbCCddEEffGGhhIIjjKKllMMnnOOppQQ"


def request(method: str, body: object, token: str = TOKEN) -> bytes:
    data = json.dumps(body).encode()
    head = f"POST /bot{token}/{method} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: "
    return head.encode() + b"%d\r\n\r\n" % len(data) + data


def is_complete(response: bytes) -> bool:
    head, separator, body = response.partition(b"\r\n\r\n")
    return bool(separator) and len(body) >= int(head.rpartition(b"Content-Length: ")[2].partition(b"\r\n")[0])


def measure(port: int, connections: int, seconds: float, message: Callable[[int], bytes]) -> float:
    """Requests a second with this many keep-alive connections."""
    selector = selectors.DefaultSelector()
    sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(connections)]
    for number, each in enumerate(sockets):
        each.sendall(message(number))
        selector.register(each, selectors.EVENT_READ, [b""])
    done = 0
    started = time.perf_counter()
    while (now := time.perf_counter()) < started + seconds:
        for key, _ in selector.select():
            client: Any = key.fileobj
            received: list[bytes] = key.data
            received[0] += client.recv(1 << 20)
            if is_complete(received[0]):
                assert received[0].startswith(b"HTTP/1.1 200"), received[0]
                received[0] = b""
                done += 1
                client.sendall(message(done))
    for each in sockets:
        each.close()
    return done / (now - started)


def receive(port: int, count: int) -> float:
    """Updates a second through getUpdates, 100 at a time on one connection."""
    with socket.create_connection(("127.0.0.1", port)) as client:
        got = offset = 0
        started = time.perf_counter()
        while got < count:
            client.sendall(request("getUpdates", {"offset": offset, "timeout": 5, "limit": 100}))
            response = b""
            while not is_complete(response):
                response += client.recv(1 << 20)
            updates = json.loads(response.partition(b"\r\n\r\n")[2])["result"]
            got += len(updates)
            offset = updates[-1]["update_id"] + 1
        return got / (time.perf_counter() - started)


def control(port: int, path: str, body: object) -> None:
    url = f"http://127.0.0.1:{port}/control{path}"
    urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode()), timeout=60).close()


def memory_kib(pid: int) -> int:
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


def park(port: int, pid: int, count: int) -> tuple[float, float]:
    """KiB of the server per parked poll, each of its own bot, and seconds until an update has reached all of them."""
    before = memory_kib(pid)
    polls = []
    for number in range(count):
        client = socket.create_connection(("127.0.0.1", port))
        client.sendall(request("getUpdates", {"timeout": 50}, f"{800_000 + number}:AAbbCCddEEffGGhh"))
        polls.append(client)
    time.sleep(2)
    each = (memory_kib(pid) - before) / count
    started = time.perf_counter()
    control(port, "/updates", {"text": "to everyone"})
    for client in polls:
        assert b"to everyone" in client.recv(65536)
        client.close()
    return each, time.perf_counter() - started


def main() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 8192)), hard))
    command = [sys.executable, "-m", "rookery_simulator", "telegram", "--repeat-wait", "0", "--repeat-single", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline().rpartition(":")[2])
        get_me = request("getMe", {})
        for connections in (1, 16, 64, 256):
            print(
                f"getMe        {connections:4} connections: {measure(port, connections, 3, lambda _: get_me):8,.0f}/s"
            )
        for connections in (1, 16, 64):
            sends = measure(
                port, connections, 3, lambda n: request("sendMessage", {"chat_id": n % 100 + 1, "text": str(n)})
            )
            print(f"sendMessage  {connections:4} connections: {sends:8,.0f}/s")
        control(port, f"/bots/{TOKEN}/updates", {"count": 100_000, "chats": 100})
        print(f"getUpdates   100 at a time    : {receive(port, 100_000):8,.0f} updates/s")
        each, seconds = park(port, server.pid, 2000)
        print(f"2,000 parked polls: {each:.1f} KiB each, all answered in {seconds:.2f} s")
        server.terminate()


if __name__ == "__main__":
    main()
