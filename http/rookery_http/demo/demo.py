"""`rookery demo`: the whole product on one machine, without an account.

People write to three bots on the built-in Bot API simulator and, where neonize is installed, to a WhatsApp account that a
scripted phone has paired on a simulated WhatsApp. A real `rookery serve` process receives, stores and delivers
to a webhook; the webhook's program answers through the HTTP API. Halfway a new process takes over from the old one,
as in a redeploy, while people go on writing. At the end the demo checks that every message was counted.
"""

from __future__ import annotations

import os
import signal
import tempfile
from functools import partial

import trio

from rookery_simulator import open_bot_api_simulator

from ..server.server import open_listeners, serve
from .phone import open_demo_phone
from .receiver import Receiver
from .scenario import Scenario
from .server import DemoServer, free_port, stopped_at_the_end

RESTART_AFTER = 12.0


async def _run(seconds: float | None, port: int) -> int:
    servers: list[DemoServer] = []
    with tempfile.TemporaryDirectory(prefix="rookery-demo-") as directory:
        async with open_bot_api_simulator() as simulator, open_demo_phone() as phone, stopped_at_the_end(servers):
            demo = Scenario(simulator, phone, directory, port or free_port())
            async with demo.api, trio.open_nursery() as nursery:
                demo.receiver = Receiver(nursery, demo.api, demo.tell)
                stop = trio.Event()
                (address,) = await nursery.start(
                    partial(serve, demo.receiver, await open_listeners("127.0.0.1", 0), stop=stop, drain=1.0)
                )
                bad = await _play(demo, servers, seconds, address.url, nursery)
                stop.set()
                nursery.cancel_scope.cancel()
    return 1 if bad else 0


async def _play(
    demo: Scenario, servers: list[DemoServer], seconds: float | None, endpoint: str, nursery: trio.Nursery
) -> bool:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:

        async def watch() -> None:
            async for _ in signals:
                if demo.ending.is_set():
                    os._exit(130)
                demo.end()

        nursery.start_soon(watch)
        servers.append(await demo.start_server())
        await servers[0].answering(demo.api)
        await demo.set_up(f"{endpoint}/hook")
        demo.say(
            f"[bold]Rookery listens on {demo.url}[/]  "
            f"(dashboard: {demo.url}/dashboard, docs: {demo.url}/docs, events: {demo.url}/v1/events/stream)"
        )
        demo.say(f"[dim]Telegram is simulated on {demo.simulator.url}; the data is in {demo.directory}[/]")
        demo.say(f"[dim]Look around meanwhile: ROOKERY_URL={demo.url} rookery sessions list[/]")
        demo.say("[dim]" + ("Ctrl+C ends it." if seconds is None else f"It ends after {seconds:g} s.") + "[/]")
        demo.say()
        await demo.pair()
        demo.say()
        nursery.start_soon(demo.people)
        started = trio.current_time()
        before = RESTART_AFTER if seconds is None else min(RESTART_AFTER, seconds / 2)
        with trio.move_on_after(before):
            await demo.ending.wait()
        if not demo.ending.is_set():
            servers.append(await demo.hand_over(servers[0]))
        with trio.move_on_after(float("inf") if seconds is None else max(1.0, started + seconds - trio.current_time())):
            await demo.ending.wait()
        demo.ending.set()
        await demo.settled()
        return _summary(demo, await demo.counts())


def _summary(demo: Scenario, counts: list[tuple[str, int, bool]]) -> bool:
    demo.say()
    for name, number, right in counts:
        demo.say(f"  {'[green]✓[/]' if right else '[red]✗[/]'} {number:>5}  {name}")
    bad = not all(right for _, _, right in counts)
    demo.say()
    demo.say("[red]Something is missing or repeated.[/]" if bad else "[bold green]Nothing lost, nothing repeated.[/]")
    return bad


def run_demo(seconds: float | None, port: int) -> int:
    """Run the demo; exit code 0 when all final checks pass."""
    return trio.run(_run, seconds, port)
