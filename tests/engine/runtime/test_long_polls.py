"""Long polls over a connection of `HttpClient`."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from rookery.runtime.http_answer import HttpAnswer
from rookery.runtime.http_client import AnswerTooSlow, HttpClient, NotHttp
from support.clients.raw_answers import OK, REQUEST, answering, serving


async def poll(client: HttpClient, scope: trio.CancelScope | None = None, *, seconds: float = 2.0) -> HttpAnswer:
    sent: list[bool] = []
    try:
        return await client.long_poll(
            REQUEST,
            scope or trio.CancelScope(),
            connect_seconds=2,
            read_seconds=seconds,
            body_seconds=2,
            on_sent=lambda: sent.append(True),
        )
    finally:
        assert sent == [True]


@pytest.mark.parametrize("pieces", [[OK], [OK[:1], OK[1:20], OK[20:]]], ids=["whole", "in pieces"])
async def test_a_long_poll_is_answered_over_the_connection_of_the_last_one(pieces: list[bytes]) -> None:
    async with serving(answering(*pieces, close=False, pause=0.001)) as (client, connections):
        for _ in range(3):
            assert (await poll(client)).body == b"hi"
        assert len(connections) == 1


async def test_a_server_that_closes_soon_after_each_answer_without_saying_so_answers_every_long_poll() -> None:
    async def once(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(OK)
        await trio.sleep(0.005)

    async with serving(once) as (client, _):
        for _ in range(20):
            assert (await poll(client)).body == b"hi"
            await client.exchange(REQUEST, connect_seconds=2, read_seconds=2)


async def test_a_long_poll_ends_when_no_answer_comes_in_time() -> None:
    async with serving(answering(close=False)) as (client, _):
        with pytest.raises(AnswerTooSlow):
            await poll(client, seconds=0.1)
        assert client.idle == 0


async def test_a_long_poll_that_its_caller_gives_up_ends_at_once() -> None:
    async with serving(answering(close=False)) as (client, _):
        scope = trio.CancelScope()
        with trio.fail_after(30):
            async with trio.open_nursery() as nursery:

                async def give_up() -> None:
                    await trio.testing.wait_all_tasks_blocked(0.05)
                    scope.cancel()

                nursery.start_soon(give_up)
                with pytest.raises(AnswerTooSlow):
                    await poll(client, scope, seconds=1000)
        assert client.idle == 0


async def test_a_long_poll_whose_connection_breaks_says_so() -> None:
    async with serving(answering()) as (client, _):
        with pytest.raises(NotHttp):
            await poll(client)
        assert client.idle == 0
