"""What happens to sessions, as an embedding program follows it."""

from __future__ import annotations

from typing import Any

import trio
from trio.testing import MockClock

from rookery import Engine, Session
from rookery.model.event import Event
from rookery.model.session import Action, PairingCode, Reason, SessionStatus
from rookery.provider.contract import Inbox
from support.fake_platform import (
    CALM,
    FakePlatform,
    add,
    connected,
    network,
    open_fake_engine,
    open_troubled_store,
    settled,
    status_of,
    wall_clock,
)


async def follow(engine: Engine, seen: list[Event], **query: Any) -> None:
    async for event in engine.events(**query):
        seen.append(event)


def changes(seen: list[Event]) -> list[tuple[str, str, str]]:
    return [(event.body["previous"], event.body["status"], event.body["reason"]) for event in seen]


async def test_a_follower_sees_a_life_from_start_to_stop(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    platform.plan("a", network())
    seen: list[Event] = []
    async with open_fake_engine(platform) as engine, trio.open_nursery() as nursery:
        nursery.start_soon(lambda: follow(engine, seen, types=["session.status"]))
        await add(engine)
        await connected(engine)
        await engine.stop("a")
        await trio.sleep(1)
        assert changes(seen) == [
            ("DISCONNECTED", "INITIALIZING", "STARTING"),
            ("INITIALIZING", "RECONNECTING", "NETWORK"),
            ("RECONNECTING", "CONNECTED", "CONNECTED"),
            ("CONNECTED", "DISCONNECTED", "DISABLED"),
        ]
        assert [event.body["enabled"] for event in seen] == [True, True, True, False]
        assert {event.body["owner"] for event in seen} == {engine.instance}
        assert len({event.key for event in seen}) == 4
        nursery.cancel_scope.cancel()


async def test_repeated_failures_of_one_kind_are_one_change(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    platform.plan("a", *[network(str(number)) for number in range(5)])
    seen: list[Event] = []
    async with open_fake_engine(platform) as engine, trio.open_nursery() as nursery:
        nursery.start_soon(lambda: follow(engine, seen, types=["session.status"]))
        await add(engine)
        await connected(engine, seconds=600)
        await trio.sleep(1)
        assert [event.body["status"] for event in seen] == ["INITIALIZING", "RECONNECTING", "CONNECTED"]
        nursery.cancel_scope.cancel()


async def test_a_thousand_changes_at_once_cost_few_transactions(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    async with open_troubled_store() as store, open_fake_engine(platform, store) as engine:
        ids = [f"s{number}" for number in range(1000)]
        await add(engine, *ids)
        await connected(engine, *ids, seconds=600)
        await trio.sleep(1)
        before = store.calls["record_statuses"]
        for id in ids:
            platform.link(id).fail(network("the switch has died"))
        await trio.sleep(0.5)
        assert store.calls["record_statuses"] - before <= 5
        told = [event async for event in _all(engine) if event.body["reason"] == "NETWORK"]
        assert sorted(event.session for event in told) == sorted(ids)


async def _all(engine: Engine) -> Any:
    after = 0
    from rookery import EventQuery

    while page := await engine.read_events(EventQuery(after=after, types=("session.status",), limit=500)):
        for event in page:
            yield event
        after = page[-1].id


async def test_codes_come_to_those_who_name_them(autojump_clock: MockClock) -> None:
    async def pair(session: Session, inbox: Inbox) -> None:
        for number in range(2):
            inbox.report(
                SessionStatus.QR_REQUIRED,
                Reason.PAIRING,
                "scan",
                action=Action.SCAN_QR,
                code=PairingCode("qr", f"2@{number}", wall_clock() + 20, 1),
            )
            await trio.sleep(20)
        inbox.report(
            SessionStatus.QR_REQUIRED,
            Reason.PAIRING,
            "type",
            action=Action.SCAN_QR,
            code=PairingCode("phone", "ABCD-EFGH", wall_clock() + 100, 1),
        )

    platform = FakePlatform()
    platform.plan("a", pair)
    everything: list[Event] = []
    codes: list[Event] = []
    async with open_fake_engine(platform) as engine, trio.open_nursery() as nursery:
        nursery.start_soon(lambda: follow(engine, everything, types=["*"]))
        nursery.start_soon(lambda: follow(engine, codes, types=["session.qr", "session.pairing_code"]))
        await add(engine)
        await connected(engine, seconds=60)
        await trio.sleep(1)
        assert [event.body["status"] for event in everything] == ["INITIALIZING", "QR_REQUIRED", "CONNECTED"]
        assert [(event.type, event.body["code"], event.body["round"]) for event in codes] == [
            ("session.qr", "2@0", 1),
            ("session.qr", "2@1", 1),
            ("session.pairing_code", "ABCD-EFGH", 1),
        ]
        nursery.cancel_scope.cancel()


async def test_a_change_is_stored_once_when_the_answer_of_the_store_is_lost(autojump_clock: MockClock) -> None:
    """The write happened, and the engine writes it again."""
    platform = FakePlatform()
    async with open_troubled_store() as store, open_fake_engine(platform, store, settings=CALM) as engine:
        await add(engine)
        await connected(engine)
        await trio.sleep(1)
        lost = 2

        async def lose(method: str) -> None:
            nonlocal lost
            if method == "record_statuses" and lost:
                lost -= 1
                await trio.sleep(60)  # longer than the engine waits

        store.after = lose
        inbox = platform.link().inbox
        inbox.report(SessionStatus.LOADING, Reason.STARTING, "busy")
        inbox.report(SessionStatus.CONNECTED, Reason.CONNECTED, "fine")
        await trio.sleep(200)
        await settled()
        assert await status_of(engine) == ("CONNECTED", "CONNECTED")
        told = [event async for event in _all(engine)]
        assert [event.body["detail"] for event in told] == ["connecting", "connected as @a", "busy", "fine"]
        # The history has no keys: what was written twice stands there twice. Only the log is compared here.
        store.inner.removals = frozenset({"prune_events"})  # type: ignore[attr-defined]
