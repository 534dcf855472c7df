"""getUpdates over real HTTP: waiting, conflicts, webhooks, clients that leave, many at once."""

from __future__ import annotations

import httpx
import pytest
import trio

from rookery_simulator.bot_api import BotApiSimulator, open_bot_api_simulator
from rookery_simulator.bot_api.world.polls import TERMINATED_BY_POLL, TERMINATED_BY_WEBHOOK, WEBHOOK_IS_ACTIVE
from support.clients.bot_api_client import DEADLINE, TOKEN, BotClient, open_bot_client, wait_until


async def give_up_poll(client: BotClient) -> None:
    """Start a long poll and cancel it once it waits: httpx closes its connection."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: client.call("getUpdates", timeout=50))
        await wait_until(client.simulator, lambda: client.bot.polls.has_waiting)
        nursery.cancel_scope.cancel()


async def test_updates_are_confirmed_by_the_next_offset_only() -> None:
    async with open_bot_api_simulator() as simulator, open_bot_client(simulator) as client:
        bot = client.bot
        bot.push_many(5, chats=2)
        first = await client.result("getUpdates", limit=3)
        assert [update["message"]["text"] for update in first] == ["1", "2", "3"]
        assert [update["message"]["chat"]["id"] for update in first] == [1, 2, 1]
        again = await client.result("getUpdates", timeout=3)
        assert again == first[:1], "the same offset within half a second gets one update"
        rest = await client.result("getUpdates", offset=first[-1]["update_id"] + 1)
        assert [update["message"]["text"] for update in rest] == ["4", "5"]
        assert await client.result("getUpdates", offset=rest[-1]["update_id"] + 1) == []
        assert [update.deliveries for update in bot.queue.history] == [2, 1, 1, 1, 1]
        assert {update.end for update in bot.queue.history} == {"confirmed"}


async def test_a_long_poll_is_woken_by_an_update() -> None:
    async with open_bot_api_simulator() as simulator, open_bot_client(simulator) as client:
        answers: list[list[dict[str, object]]] = []

        async def poll() -> None:
            answers.append(await client.result("getUpdates", timeout=50))

        with trio.fail_after(DEADLINE):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(poll)
                await wait_until(simulator, lambda: client.bot.polls.has_waiting)
                client.bot.push_text("one")
                client.bot.push_text("two")
        assert len(answers[0]) == 2, "updates that arrive together are answered together"


@pytest.mark.parametrize("wake_delay", [0.0, 0.001])
async def test_two_hundred_parked_polls_are_all_answered(wake_delay: float) -> None:
    tokens = [f"{700_000 + number}:AAbbCCddEEffGG" for number in range(200)]
    received: dict[str, str] = {}
    async with open_bot_api_simulator(wake_delay=wake_delay) as simulator:

        async def poll(token: str) -> None:
            async with open_bot_client(simulator, token) as client:
                updates = await client.result("getUpdates", timeout=50)
                received[token] = updates[0]["message"]["text"]

        with trio.fail_after(3 * DEADLINE):
            async with trio.open_nursery() as nursery:
                for token in tokens:
                    nursery.start_soon(poll, token)
                await wait_until(
                    simulator, lambda: sum(bot.polls.has_waiting for bot in simulator.bots.values()) == len(tokens)
                )
                for token in tokens:
                    simulator.bot(token).push_text(token)
        assert received == {token: token for token in tokens}
        assert {bot.polls.max_simultaneous for bot in simulator.bots.values()} == {1}


async def test_the_older_of_two_waiting_polls_gets_409() -> None:
    async with open_bot_api_simulator() as simulator, open_bot_client(simulator) as client:
        outcomes: list[object] = []
        first_outcome = trio.Event()

        async def poll() -> None:
            response = await client.call("getUpdates", timeout=50)
            body = response.json()
            outcomes.append(body["result"] if body["ok"] else (response.status_code, body["description"]))
            first_outcome.set()

        with trio.fail_after(DEADLINE):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(poll)
                await wait_until(simulator, lambda: client.bot.polls.has_waiting)
                nursery.start_soon(poll)
                await first_outcome.wait()
                assert await client.result("getUpdates", offset=7, timeout=0) == []
                client.bot.push_text("for the newer")
        assert outcomes[0] == (409, TERMINATED_BY_POLL)
        assert len(outcomes) == 2
        assert client.bot.polls.max_simultaneous == 2
        assert [poll.outcome for poll in client.bot.polls.history] == ["conflict", "answered", "empty"]
        assert client.bot.errors[409] == 1


async def test_two_pollers_may_get_the_same_updates_without_a_409() -> None:
    async with open_bot_api_simulator() as simulator, open_bot_client(simulator) as client:
        client.bot.push_text("unconfirmed")
        assert await client.result("getUpdates", timeout=50) == await client.result("getUpdates", timeout=50)
        assert client.bot.polls.conflicts == []
        assert client.bot.queue.history[0].deliveries == 2


async def test_a_poll_given_up_takes_nothing_and_is_no_overlap() -> None:
    async with open_bot_api_simulator() as simulator, open_bot_client(simulator) as client:
        for _ in range(20):
            await give_up_poll(client)
        client.bot.push_text("still there")
        updates = await client.result("getUpdates", timeout=50)
        assert updates[0]["message"]["text"] == "still there"
        assert client.bot.queue.history[0].deliveries == 1
        assert client.bot.polls.max_simultaneous == 1
        assert client.bot.polls.outcomes == {"hung_up": 20, "answered": 1}
        assert not any(conflict.was_heard for conflict in client.bot.polls.conflicts)
        assert client.bot.polls.in_flight == 0


async def test_getupdates_is_refused_while_a_webhook_is_set() -> None:
    async with open_bot_api_simulator(conflict_hold=0) as simulator, open_bot_client(simulator) as client:
        errors: list[tuple[int, str]] = []

        async def poll() -> None:
            errors.append(await client.error("getUpdates", timeout=50))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(poll)
            await wait_until(simulator, lambda: client.bot.polls.has_waiting)
            response = await client.call("setWebhook", url="https://example.org/hook", max_connections=500)
            assert response.json() == {"ok": True, "result": True, "description": "Webhook was set"}
        assert errors == [(409, TERMINATED_BY_WEBHOOK)]
        assert await client.error("getUpdates") == (409, WEBHOOK_IS_ACTIVE)
        client.bot.push_text("kept")
        info = await client.result("getWebhookInfo")
        assert (info["url"], info["max_connections"], info["pending_update_count"]) == (
            "https://example.org/hook",
            100,
            1,
        )
        response = await client.call("deleteWebhook")
        assert response.json()["description"] == "Webhook was deleted"
        assert (await client.call("deleteWebhook")).json()["description"] == "Webhook is already deleted"
        assert len(await client.result("getUpdates")) == 1


async def test_deleting_no_webhook_disturbs_no_poll_unless_updates_are_to_be_dropped() -> None:
    async with open_bot_api_simulator() as simulator, open_bot_client(simulator) as client:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lambda: client.result("getUpdates", timeout=50))
            await wait_until(simulator, lambda: client.bot.polls.has_waiting)
            await client.result("deleteWebhook")
            assert client.bot.polls.has_waiting
            client.bot.push_text("wakes it")
        await client.result("deleteWebhook", drop_pending_updates=True)
        assert [update.end for update in client.bot.queue.history] == ["dropped"]


async def test_allowed_updates_are_applied_when_an_update_is_made_and_remembered() -> None:
    async with (
        open_bot_api_simulator(repeat_wait=0, repeat_single=0) as simulator,
        open_bot_client(simulator) as client,
    ):
        bot = client.bot
        reaction = {"message_reaction": {"chat": {"id": 1}, "message_id": 1}}
        assert bot.push_update(reaction) is None
        await client.result("getUpdates", allowed_updates=["message_reaction", "message", "no_such_kind"])
        assert bot.push_update(reaction) is not None
        assert bot.push_update({"poll_answer": {}}) is None
        assert bot.push_update({"kind_of_tomorrow": {}}) is not None, "a kind the server does not know passes"
        await client.result("getUpdates")
        assert bot.push_update(reaction) is not None
        assert (await client.result("getWebhookInfo"))["allowed_updates"] == ["message", "message_reaction"]
        await client.http.post(f"/bot{TOKEN}/getUpdates", data={"allowed_updates": "[]"})
        assert bot.push_update(reaction) is None
        assert bot.filtered == 3


@pytest.mark.parametrize(
    ("method", "code", "description"),
    [("logOut", 400, "Logged out"), ("close", 500, "Internal Server Error: restart")],
)
async def test_log_out_and_close_end_the_waiting_poll(method: str, code: int, description: str) -> None:
    async with open_bot_api_simulator() as simulator, open_bot_client(simulator) as client:
        errors: list[tuple[int, str]] = []

        async def poll() -> None:
            errors.append(await client.error("getUpdates", timeout=50))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(poll)
            await wait_until(simulator, lambda: client.bot.polls.has_waiting)
            await client.result(method)
        assert errors == [(code, description)]


async def test_a_revoked_token_gets_401_at_once_and_ever_after() -> None:
    async with open_bot_api_simulator() as simulator, open_bot_client(simulator) as client:
        errors: list[tuple[int, str]] = []

        async def poll() -> None:
            errors.append(await client.error("getUpdates", timeout=50))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(poll)
            await wait_until(simulator, lambda: client.bot.polls.has_waiting)
            client.bot.revoke()
        errors.append(await client.error("getMe"))
        assert errors == [(401, "Unauthorized")] * 2


async def test_stopping_the_simulator_ends_the_polls() -> None:
    with trio.fail_after(DEADLINE):
        async with trio.open_nursery() as nursery, open_bot_api_simulator() as simulator:
            client = await nursery.start(_poll_until_cut_off, simulator)
            await wait_until(simulator, lambda: client.bot.polls.has_waiting)


async def _poll_until_cut_off(
    simulator: BotApiSimulator, *, task_status: trio.TaskStatus[BotClient] = trio.TASK_STATUS_IGNORED
) -> None:
    async with open_bot_client(simulator) as client:
        task_status.started(client)
        with pytest.raises(httpx.TransportError):
            await client.call("getUpdates", timeout=50)


async def test_a_reset_restarts_everything() -> None:
    async with open_bot_api_simulator() as simulator, open_bot_client(simulator) as client:
        errors: list[tuple[int, str]] = []

        async def poll() -> None:
            errors.append(await client.error("getUpdates", timeout=50))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(poll)
            await wait_until(simulator, lambda: client.bot.polls.has_waiting)
            simulator.reset()
        assert errors == [(500, "Internal Server Error: restart")]
        assert simulator.bots == {}
