"""Content kinds added for other platforms: polls are sent, read receipts are refused."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from rookery import MessageState
from rookery.errors import Rejected
from support.telegram_engine import DEADLINE, open_quick_simulator, open_setup


@pytest.mark.parametrize(("selectable", "several"), [(1, False), (0, True), (2, True)])
async def test_a_poll(selectable: int, several: bool) -> None:
    async with open_quick_simulator() as simulator, open_setup(simulator) as setup:
        poll: dict[str, Any] = {"type": "poll", "question": "Lunch?", "choices": ["yes", "no", "später"]}
        receipt = await setup.engine.send("shop", to=7, selectable=selectable, **poll)
        message = setup.bot.messages[7, int(receipt.message_id)]
        assert message["poll"]["question"] == "Lunch?"
        assert [option["text"] for option in message["poll"]["options"]] == ["yes", "no", "später"]
        assert message["poll"]["allows_multiple_answers"] is several
        assert [sent.method for sent in setup.bot.sent] == ["sendPoll"]


async def test_options_of_a_poll_are_the_bot_apis() -> None:
    async with open_quick_simulator() as simulator, open_setup(simulator) as setup:
        await setup.engine.send(
            "shop", to=7, type="poll", question="Who?", choices=["A", "B"], options={"is_anonymous": False}
        )
        assert setup.bot.sent[-1].parameters["is_anonymous"] in ("false", False)


async def test_read_receipts_outside_business_chats_are_refused() -> None:
    async with open_quick_simulator() as simulator, open_setup(simulator) as setup:
        with pytest.raises(Rejected, match="only for business accounts"):
            await setup.engine.send("shop", to=7, type="read", message_id="1")
        message = await setup.engine.submit("shop", to=7, type="read", message_id="1")
        with trio.fail_after(DEADLINE):
            done = await setup.engine.wait_message(message.id, DEADLINE)
        assert done.state is MessageState.FAILED
        assert not setup.bot.sent
        await setup.engine.send("shop", to=7, text="the session goes on")
