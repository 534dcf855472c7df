"""One line for each change of a session's state, with its component and session (H1)."""

from __future__ import annotations

import logging

import pytest
import trio
from trio.testing import MockClock

from rookery.errors import Conflict, TerminalError
from rookery.model.session import Action, Reason
from support.fake_platform import FakePlatform, add, connected, history_of, network, open_fake_engine

COMPONENTS = {"SESSION", "RECONNECT", "HEALTH", "MEMORY", "DELIVERY", "API"}


async def test_each_change_of_state_is_one_line(autojump_clock: MockClock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="rookery")
    platform = FakePlatform()
    platform.plan("a", network(), RuntimeError("a bug"), Conflict("somebody else"))
    async with open_fake_engine(platform) as engine:
        await add(engine, "a", "quiet")
        await connected(engine, "a", "quiet", seconds=300)
        platform.link("a").fail(TerminalError("banned", reason=Reason.BANNED, action=Action.RETRY))
        await trio.sleep(1)
        await engine.start("a")
        await connected(engine, "a")
        await engine.stop("a")
        await trio.sleep(1)
        for id in ("a", "quiet"):
            told = [
                (vars(record)["status"], vars(record)["reason"])
                for record in caplog.records
                if "status" in vars(record) and vars(record)["session"] == id
            ]
            assert told == await history_of(engine, id)
    states = [record for record in caplog.records if "status" in vars(record)]
    warned = [vars(record)["reason"] for record in states if record.levelno == logging.WARNING]
    assert warned == ["BANNED"], "what waits for a person is a warning"
    assert {record.levelno for record in states} == {logging.INFO, logging.WARNING}
    lines = [vars(record) for record in caplog.records if record.name.startswith("rookery")]
    assert {line["component"] for line in lines} <= COMPONENTS
    assert all(line.get("session") in ("a", "quiet") for line in lines)
    reconnecting = [line for line in lines if line.get("status") == "RECONNECTING"]
    assert reconnecting
    assert all(line["component"] == "RECONNECT" for line in reconnecting)
