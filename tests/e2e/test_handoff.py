"""A new process starts while the old one gets SIGTERM: no 409, nothing lost or repeated, a short gap."""

from __future__ import annotations

import random
import signal
from contextlib import AsyncExitStack
from statistics import quantiles

import pytest
import trio

from rookery_simulator.bot_api import BotApiSimulator, open_bot_api_simulator
from support.server_process import open_server_process
from support.storage import Storage
from support.traffic import Traffic, add_bots, check_deliveries, is_received, read_logs, settings_for
from support.webhook_receiver import open_webhook_receiver

HANDOFFS, FEWER_HANDOFFS = 20, 6
BOTS = 5
SEED = 20_262


def longest_gaps(simulator: BotApiSimulator, tokens: dict[str, str], since: float) -> list[float]:
    """For each bot the longest time since `since` (Unix time) in which no getUpdates was under way."""
    gaps = []
    for token in tokens.values():
        polls = [poll for poll in simulator.bot(token).polls.history if (poll.ended_at or poll.arrived_at) >= since]
        longest, end = 0.0, None
        for poll in polls:
            if end is not None:
                longest = max(longest, poll.arrived_at - end)
            end = max(end or 0.0, poll.ended_at or poll.arrived_at)
        gaps.append(longest)
    return gaps


@pytest.mark.slow
async def test_handoffs_under_traffic(storage: Storage) -> None:
    rng = random.Random(SEED)
    handoffs = storage.repetitions(HANDOFFS, FEWER_HANDOFFS)
    gaps: list[float] = []
    async with (
        open_bot_api_simulator() as simulator,
        open_webhook_receiver() as receiver,
        trio.open_nursery() as nursery,
        AsyncExitStack() as processes,
    ):
        tokens = {f"bot-{n}": simulator.new_bot().token for n in range(BOTS)}
        traffic = Traffic(simulator, tokens, rng)
        flow = trio.CancelScope()
        environment = settings_for(simulator) | storage.environment
        server = await processes.enter_async_context(open_server_process(storage.data_dir, environment=environment))
        await server.listening()
        await add_bots(server, tokens, receiver)
        nursery.start_soon(traffic.flow_in, flow, 1_000_000, 150)
        for _ in range(handoffs):
            await trio.sleep(rng.uniform(0.0, 0.5))
            since = simulator.clock()
            polls = {token: simulator.bot(token).calls["getupdates"] for token in tokens.values()}
            successor = await processes.enter_async_context(
                open_server_process(storage.data_dir, "--wait", "30", environment=environment)
            )
            if storage.shared:  # both serve for a moment, as in a rolling update
                await successor.listening()
                await trio.sleep(rng.uniform(0.0, 1.0))
            server.send_signal(signal.SIGTERM)
            assert await server.ended(12) == 0, server.errors.decode()
            await successor.listening()
            server = successor
            with trio.fail_after(30):
                await simulator.wait_until(
                    lambda polls=polls: all(simulator.bot(t).calls["getupdates"] > n + 1 for t, n in polls.items())  # type: ignore[misc]
                )
                await simulator.wait_until(lambda: all(simulator.bot(t).polls.in_flight for t in tokens.values()))
            gaps += longest_gaps(simulator, tokens, since)
        flow.cancel()
        with trio.fail_after(60):
            stored = await read_logs(server, tokens, traffic.total)
            await receiver.wait_until(
                lambda: len({d.id for d in receiver.deliveries if is_received(d.event)}) >= traffic.total
            )
        for id, token in tokens.items():
            assert [event["key"] for event in stored[id]] == traffic.pushed[id]
            assert simulator.bot(token).errors[409] == 0
        repeated = check_deliveries(receiver, stored)
        async with server.client() as client:
            sessions = (await client.get("/v1/sessions")).json()["sessions"]
        assert all(session["enabled"] for session in sessions)
    ten = quantiles(gaps, n=10)
    print(
        f"\n{handoffs} handoffs of {BOTS} bots, {traffic.total} updates: no 409, none lost, none twice, {repeated} webhook "
        f"repetitions; gap p50 {ten[4]:.2f} s, p90 {ten[8]:.2f} s, longest {max(gaps):.2f} s"
    )
