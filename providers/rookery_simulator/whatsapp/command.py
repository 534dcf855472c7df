"""`python -m rookery_simulator whatsapp`: a simulated WhatsApp as a process.

With `--port 8082` (0: any free one) and perhaps `--host`, it takes the HTTP calls that `rookery_simulator.whatsapp.control`
lists, until SIGTERM or SIGINT. Its first line is a JSON document with the environment that Rookery needs (`environment`), and
`control`, the address of the calls.

Without options it reads its standard input. It prints the environment that a worker needs, and then one JSON document for
each line that it reads:

    phone 4915100000002 Bob                      make a phone, or rename it
    scan 4915100000001 CODE                      scan a QR code with a phone; CODE is the code's content
    type 4915100000001 ABCD-1234                 type a pairing code into a phone
    text 4915100000002 4915100000001 hello       the first phone writes to the second
    ring 4915100000002 4915100000001             the first phone calls the second
    unlink 4915100000001                         the owner unlinks all devices of a phone
    network up|down|black hole                   break or mend the network
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Sequence
from typing import Any

import trio

from . import control
from .crypto.pairing import PairingRefused
from .simulator import Network, WhatsAppSimulator, open_whatsapp_simulator

PAIRING = 30.0  # seconds


def main(arguments: Sequence[str]) -> int:
    """Serve until a signal comes or standard input ends; returns the exit code, 1 when the address is not available."""
    if not arguments:
        trio.run(_serve)
        return 0
    if arguments[0] in ("-h", "--help"):
        sys.stdout.write((__doc__ or "") + "\n")
        return 0
    parser = argparse.ArgumentParser(prog="python -m rookery_simulator whatsapp")
    parser.add_argument("--port", type=_port, required=True, help="port of the calls, 0 for any free one")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    chosen = parser.parse_args(arguments)
    return trio.run(_serve_http, chosen.host, chosen.port)


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"a port is 0 to 65535: {text}")
    return port


async def _serve_http(host: str, port: int) -> int:
    try:
        listeners = await trio.open_tcp_listeners(port, host=host)
    except OSError as error:
        sys.stderr.write(f"cannot listen on {host}:{port}: {error}\n")
        return 1
    name = f"[{host}]" if ":" in host else host
    url = f"http://{name}:{listeners[0].socket.getsockname()[1]}"
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with open_whatsapp_simulator() as simulator, trio.open_nursery() as nursery:
            nursery.start_soon(control.serve, simulator, listeners)
            _say(environment=simulator.environment(), proxy=simulator.proxy_url, control=url)
            async for _ in signals:
                nursery.cancel_scope.cancel()
                break
    return 0


def _say(**document: Any) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


async def _serve() -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with open_whatsapp_simulator() as simulator, trio.open_nursery() as nursery:

            async def end_by_signal() -> None:
                async for _ in signals:
                    nursery.cancel_scope.cancel()

            nursery.start_soon(end_by_signal)
            _say(environment=simulator.environment(), proxy=simulator.proxy_url)
            while line := await trio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True):
                try:
                    _say(ok=True, **await _do(simulator, line.split()))
                except (ValueError, LookupError, PairingRefused, trio.TooSlowError) as error:
                    _say(ok=False, error=f"{type(error).__name__}: {error}")
            nursery.cancel_scope.cancel()


async def _do(simulator: WhatsAppSimulator, words: list[str]) -> dict[str, Any]:
    match words:
        case ["phone", number, *name]:
            phone = simulator.phone(number, " ".join(name) or None)
            return {"number": phone.number, "name": phone.name, "lid": str(phone.lid)}
        case ["scan", number, code]:
            with trio.fail_after(PAIRING):
                device = await simulator.phone(number).scan(code)
            return {"device": str(device.jid)}
        case ["type", number, code]:
            with trio.fail_after(PAIRING):
                device = await simulator.phone(number).enter_code(code)
            return {"device": str(device.jid)}
        case ["text", sender, receiver, *text]:
            sent = simulator.phone(sender).send_text(simulator.phone(receiver), " ".join(text))
            return {"message_id": sent.id}
        case ["ring", caller, called]:
            return {"call_id": simulator.phone(caller).ring(simulator.phone(called))}
        case ["unlink", number]:
            devices = list(simulator.phone(number).devices.values())
            for device in devices:
                device.remove()
            return {"unlinked": len(devices)}
        case ["network", *state]:
            simulator.set_network(Network(" ".join(state)))
            return {"network": simulator.network.value}
    raise ValueError(f"unknown command: {' '.join(words)!r}")
