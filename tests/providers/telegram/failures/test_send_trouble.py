"""Failures of the Bot API while a message is sent, and how odd answers are read."""

from __future__ import annotations

from typing import Any

import pytest

from rookery import Action, EventQuery, MessageState, Reason, SessionChange, SessionStatus
from rookery.errors import NotConnected, OutcomeUnknown, Rejected, SendError, SendRateLimited
from rookery_simulator.bot_api import Fault
from rookery_telegram.bot_api.errors import DEFAULT_RETRY_AFTER, ApiError, read_answer, send_error
from rookery_telegram.bot_api.session_errors import poll_error
from support.bot_api.faults import SENDS, fault, name_of, struck
from support.telegram_engine import QUICK, SECRET, open_quick_simulator, open_setup
from support.waiting import until_found


class TestSends:
    @pytest.mark.parametrize(("one", "state", "error"), SENDS, ids=name_of)
    async def test_it_ends_in_a_named_state(self, one: Fault, state: str, error: str | None) -> None:
        settings = QUICK.__class__(**{**{f: getattr(QUICK, f) for f in QUICK.__struct_fields__}, "send_timeout": 1.0})
        async with open_quick_simulator() as simulator, open_setup(simulator, settings=settings) as setup:
            simulator.faults.add(struck(one, method="sendMessage", count=1))
            first = await setup.engine.submit("shop", to=7, text="first")
            second = await setup.engine.submit("shop", to=7, text="second")
            done = await setup.engine.wait_message(first.id, 8)
            assert done.state.value == state
            if error is None:
                assert done.error is None
            else:
                assert error in (done.error or "")
            assert SECRET not in (done.error or "")
            after = await setup.engine.wait_message(second.id, 8)
            assert after.state is MessageState.SENT
            texts = [sent.text for sent in setup.bot.sent]
            took_effect = state == "sent" or one.kind in ("lost_answer", "truncated", "half_close")
            if one.kind != "delay":  # that one takes effect when its caller has gone
                assert texts == (["first", "second"] if took_effect else ["second"])
            assert (await setup.engine.get_session("shop")).health.status is SessionStatus.CONNECTED
            assert setup.bot.polls.max_simultaneous == 1

    async def test_a_revoked_token_leaves_the_queue_waiting_for_a_new_one(self) -> None:
        async with open_quick_simulator() as simulator, open_setup(simulator, poll_timeout=50) as setup:
            simulator.faults.add(fault("status", status=401))  # the poll that waits already does not notice
            ids = [(await setup.engine.submit("shop", to=to, text=f"{to}")).id for to in (7, 7, 8, 9)]
            session = await setup.status(SessionStatus.AUTH_FAILURE)
            assert (session.health.reason, session.health.action) == (Reason.INVALID_TOKEN, Action.REPLACE_TOKEN)
            assert {(await setup.engine.get_message(id)).state for id in ids} == {MessageState.QUEUED}
            simulator.faults.clear()
            other = simulator.new_bot()
            await setup.engine.update_session("shop", SessionChange(credentials={"token": other.token}))
            for id in ids:
                assert (await setup.engine.wait_message(id, 10)).state is MessageState.SENT
            assert sorted(sent.text or "" for sent in other.sent) == ["7", "7", "8", "9"]

    async def test_a_blocked_chat(self) -> None:
        async with open_quick_simulator() as simulator, open_setup(simulator) as setup:
            setup.bot.block(7)
            message = await setup.engine.submit("shop", to=7, text="x")
            done = await setup.engine.wait_message(message.id, 5)
            assert (done.state, done.error) == (MessageState.FAILED, "Forbidden: bot was blocked by the user")
            setup.bot.unblock(7)
            await setup.engine.send("shop", to=7, text="y")

    async def test_a_group_that_became_a_supergroup(self) -> None:
        async with open_quick_simulator() as simulator, open_setup(simulator) as setup:
            setup.bot.migrate(-5, -1_000_000_000_005)
            for text in ("one", "two"):
                receipt = await setup.engine.send("shop", to=-5, text=text)
                assert receipt.chat == "-1000000000005"
            assert [(sent.chat_id, sent.text) for sent in setup.bot.sent] == [
                (-1_000_000_000_005, "one"),
                (-1_000_000_000_005, "two"),
            ]
            [event] = await setup.events(1)
            assert (event.type, event.chat, event.body) == (
                "chat_migrated",
                "-5",
                {"from": "-5", "to": "-1000000000005"},
            )
            assert len(await setup.engine.read_events(EventQuery(types=("chat_migrated",)))) == 1

    async def test_a_flood_limit_delays_only_its_chat(self) -> None:
        async with open_quick_simulator() as simulator, open_setup(simulator) as setup:
            simulator.set_flood_limits(chat_per_second=1)
            slow = [await setup.engine.submit("shop", to=1, text=str(number)) for number in range(3)]
            await setup.engine.send("shop", to=2, text="quick")
            assert not (await setup.engine.get_message(slow[-1].id)).state.final, "the other chat was not waited for"
            for message in slow:
                assert (await setup.engine.wait_message(message.id, 8)).state is MessageState.SENT
            assert [sent.text for sent in setup.bot.sent if sent.chat_id == 1] == ["0", "1", "2"]

    async def test_the_pace_keeps_within_the_platforms_limits(self) -> None:
        """The default pace against a server that counts strictly: never one too many, so no penalty slows it down either."""
        from rookery_telegram import Rates

        async with open_quick_simulator() as simulator, open_setup(simulator, rates=Rates()) as setup:
            simulator.set_flood_limits(chat_per_second=1, bot_per_second=30, group_per_minute=20)
            chats = ["1", "1", "1", *map(str, range(2, 62)), "-5", "-5"]
            messages = [await setup.engine.submit("shop", to=chat, text="x") for chat in chats]
            for message in messages:
                assert (await setup.engine.wait_message(message.id, 20)).state is MessageState.SENT
            assert setup.bot.errors[429] == 0

    async def test_no_connection_is_tried_again(self) -> None:
        """The connection that the poll holds is still there, but no further one can be had."""
        async with open_quick_simulator() as simulator, open_setup(simulator) as setup:
            link: Any = setup.engine.running_here()["shop"].link
            transport = link._api._calls
            port, transport._port = transport._port, 1
            for connection in list(transport._idle):
                transport._idle.remove(connection)
                await connection.stream.aclose()
            message = await setup.engine.submit("shop", to=7, text="x")
            waiting = await until_found(
                lambda: setup.engine.get_message(message.id),
                lambda waiting: "no connection" in (waiting.error or ""),
                seconds=20,
            )
            assert waiting.state is MessageState.QUEUED
            transport._port = port
            assert (await setup.engine.wait_message(message.id, 8)).state is MessageState.SENT


class TestMeanings:
    @pytest.mark.parametrize(
        ("status", "meaning"),
        [
            (400, Rejected),
            (413, Rejected),
            (414, Rejected),
            (403, NotConnected),
            (407, NotConnected),
            (408, OutcomeUnknown),
            (502, OutcomeUnknown),
        ],
    )
    def test_what_a_front_end_answers_to_a_send_with_html(self, status: int, meaning: type[SendError]) -> None:
        with pytest.raises(ApiError) as caught:
            read_answer(status, {}, b"<html><h1>no</h1></html>")
        assert type(send_error(caught.value)) is meaning

    def test_a_flood_wait_that_only_the_text_names(self) -> None:
        body = b'{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 35"}'
        with pytest.raises(ApiError) as caught:
            read_answer(429, {}, body)
        assert caught.value.retry_after == 35
        limited = send_error(caught.value)
        assert isinstance(limited, SendRateLimited)
        assert limited.retry_after == 35

    """The tables as functions."""

    @pytest.mark.parametrize(
        ("body", "retry_after"),
        [
            (b'{"ok":false,"error_code":429,"description":"x","parameters":{"retry_after":7}}', 7),
            (b'{"ok":false,"error_code":429,"description":"x","parameters":{"retry_after":-7}}', DEFAULT_RETRY_AFTER),
            (b'{"ok":false,"error_code":429,"description":"x","parameters":{"retry_after":1e300}}', 86_400),
            (b'{"ok":false,"error_code":429,"description":"x"}', 9),
            (b"<html>", 9),
        ],
    )
    def test_retry_after(self, body: bytes, retry_after: float) -> None:
        with pytest.raises(ApiError) as caught:
            read_answer(429, {b"retry-after": b"9"}, body)
        error = poll_error(caught.value, opening=False, takeover=False)
        assert error.retry_after == retry_after

    @pytest.mark.parametrize("value", [b"", b"soon", b"-1", b"9" * 400, b"1e5", "\u0663".encode()])
    def test_headers_that_make_no_sense(self, value: bytes) -> None:
        with pytest.raises(ApiError) as caught:
            read_answer(429, {b"retry-after": value}, b"")
        error = poll_error(caught.value, opening=False, takeover=False)
        assert error.retry_after in (DEFAULT_RETRY_AFTER, 86_400)

    @pytest.mark.parametrize("code", [-1, 0, 7, 200, 10**30])
    def test_error_codes_that_make_no_sense(self, code: int) -> None:
        with pytest.raises(ApiError) as caught:
            read_answer(200, {}, b'{"ok":false,"error_code":%d}' % code)
        poll_error(caught.value, opening=True, takeover=False)
        send_error(caught.value)

    def test_deep_nonsense(self) -> None:
        with pytest.raises(ApiError):
            read_answer(200, {}, b"[" * 100_000)
        with pytest.raises(ApiError):
            read_answer(200, {}, b'{"ok":true,"result":' + b"[" * 100_000)

    def test_take_over_waits_longer_than_the_server_holds_answers_back(self) -> None:
        conflict = ApiError(409, "Conflict: terminated by other getUpdates request", readable=True)
        assert poll_error(conflict, opening=False, takeover=False).retry_after is None
        insisting = poll_error(conflict, opening=False, takeover=True).retry_after
        assert insisting is not None
        assert insisting > 3

    @pytest.mark.parametrize("separator", [":", "%3A", "%3a"])
    def test_a_token_that_the_text_quotes_is_not_kept(self, separator: str) -> None:
        token = f"123456789{separator}{'A' * 35}"
        body = b'{"ok":false,"error_code":400,"description":"no such path: /bot%s/sendMessage"}' % token.encode()
        for answer in (body, f"<html>https://x/bot{token}/getMe".encode()):
            with pytest.raises(ApiError) as caught:
                read_answer(400, {}, answer)
            for text in (str(caught.value), caught.value.description, str(send_error(caught.value))):
                assert "A" * 35 not in text
