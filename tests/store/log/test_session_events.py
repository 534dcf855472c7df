"""What happens to sessions is in the event log, in the same transaction as the status."""

from __future__ import annotations

from typing import Any

from rookery.model.event import Event, EventQuery
from rookery.model.session import Lease, PairingCode, Reason, SessionChange, SessionStatus, StatusWrite
from rookery.model.webhook import Webhook
from rookery.store.contract import Store
from store.building import create_and_claim, health, take_over

CONNECTED = health(SessionStatus.CONNECTED, Reason.CONNECTED, "as @shop", 3.0)
LOADING = health(SessionStatus.LOADING, Reason.STARTING, "connecting", 1.0)
WAITING = health(SessionStatus.QR_REQUIRED, Reason.PAIRING, "scan", 2.0)


async def told(store: Store, *types: str) -> list[Event]:
    return list(await store.read_events(EventQuery(types=types or ("session.*",), limit=1000)))


async def bodies(store: Store) -> list[dict[str, Any]]:
    return [event.body for event in await told(store)]


async def test_a_change_of_status_is_one_event_with_everything_about_it(store: Store) -> None:
    lease = await create_and_claim(store)
    await store.record_statuses([StatusWrite(lease, LOADING, 1, 1), StatusWrite(lease, CONNECTED, 1, 2)])
    first, second = await told(store)
    assert (first.session, first.type, first.time, first.chat, first.sender) == (
        "shop",
        "session.status",
        1.0,
        None,
        None,
    )
    assert second.body == {
        "status": "CONNECTED",
        "reason": "CONNECTED",
        "detail": "as @shop",
        "action": "none",
        "previous": "LOADING",
        "enabled": True,
        "owner": lease.owner,
    }
    assert first.body["previous"] == "INITIALIZING", "as the building helper stores it"
    assert first.key != second.key
    assert first.platform == (await store.get_session("shop")).platform


async def test_a_status_that_changes_nothing_is_no_event(store: Store) -> None:
    lease = await create_and_claim(store)
    more = health(SessionStatus.LOADING, Reason.STARTING, "still connecting", 2.0)
    await store.record_statuses([StatusWrite(lease, LOADING, 1, 1), StatusWrite(lease, more, 1, 2)])
    assert len(await told(store)) == 1


async def test_a_write_that_arrives_after_a_later_one_of_its_lease_changes_nothing(store: Store) -> None:
    lease = await create_and_claim(store)
    await store.record_statuses([StatusWrite(lease, LOADING, 1, 1), StatusWrite(lease, CONNECTED, 1, 2)])
    assert await store.record_statuses([StatusWrite(lease, LOADING, 1, 1)]) == set(), "the lease is held"
    assert (await store.get_session("shop")).health.status is SessionStatus.CONNECTED
    assert len(await told(store)) == 2
    assert (await store.history("shop"))[0].status is SessionStatus.CONNECTED


async def test_a_new_lease_counts_its_writes_anew(store: Store) -> None:
    lease = await create_and_claim(store)
    await store.record_statuses([StatusWrite(lease, CONNECTED, 1, 7)])
    new = await take_over(store, lease)
    await store.record_statuses([StatusWrite(new, LOADING, 1, 1)])
    assert (await store.get_session("shop")).health.status is SessionStatus.LOADING


async def test_a_repeated_write_is_no_second_event(store: Store) -> None:
    lease = await create_and_claim(store)
    code = PairingCode("qr", "2@abc", 60.0, 1)
    writes = [
        StatusWrite(lease, LOADING, 1, 1),
        StatusWrite(lease, WAITING, 1, 2, code),
        StatusWrite(lease, LOADING, 1, 3),
    ]
    for _ in range(3):  # the store's answer was lost, so the engine writes them again
        await store.record_statuses(writes)
    assert [event.type for event in await told(store)] == [
        "session.status",
        "session.status",
        "session.qr",
        "session.status",
    ]


async def test_a_stale_lease_tells_nothing(store: Store) -> None:
    lease = await create_and_claim(store)
    await take_over(store, lease)
    assert await store.record_statuses([StatusWrite(lease, CONNECTED, 1, 1)]) == {"shop"}
    assert await told(store) == []


async def test_enabled_is_as_of_the_same_moment(store: Store) -> None:
    lease = await create_and_claim(store)
    await store.update_session("shop", SessionChange(enabled=False), now=5.0)
    await store.record_statuses([StatusWrite(lease, CONNECTED, 1, 1)])
    assert [body["enabled"] for body in await bodies(store)] == [False]


async def test_each_code_is_an_event_of_its_type(store: Store) -> None:
    lease = await create_and_claim(store)
    codes = [
        PairingCode("qr", "2@a", 60.0, 1),
        PairingCode("qr", "2@b", 80.0, 1),
        PairingCode("phone", "ABCD-EFGH", 160.0),
    ]
    for number, code in enumerate(codes, 1):
        await store.record_statuses([StatusWrite(lease, WAITING, 1, number, code)])
    found = await told(store, "session.qr", "session.pairing_code")
    assert [(event.type, event.body) for event in found] == [
        ("session.qr", {"code": "2@a", "expires_at": "1970-01-01T00:01:00.000Z", "round": 1}),
        ("session.qr", {"code": "2@b", "expires_at": "1970-01-01T00:01:20.000Z", "round": 1}),
        ("session.pairing_code", {"code": "ABCD-EFGH", "expires_at": "1970-01-01T00:02:40.000Z"}),
    ]
    assert len({event.key for event in found}) == 3
    assert len(await told(store, "session.status")) == 1


async def addressed(store: Store, id: str) -> list[str]:
    rows = await store.pending_deliveries(id, now=10.0, busy=(), limit=100)
    return [row.event.type for row in rows]


async def test_codes_reach_only_webhooks_that_name_them(store: Store) -> None:
    wishes: dict[str, tuple[str, ...] | None] = {
        "all": None,
        "star": ("*",),
        "family": ("session.*",),
        "named": ("session.qr",),
        "others": ("message", "message.*"),
    }
    lease = await create_and_claim(store)
    for id, events in wishes.items():
        await store.create_webhook(Webhook(id=id, url="http://x.example/", secret="whsec_x", events=events))
    await store.create_webhook(Webhook(id="chat", url="http://x.example/", secret="whsec_x", chats=("7",)))
    await store.record_statuses([StatusWrite(lease, WAITING, 1, 1, PairingCode("qr", "2@a", 60.0, 1))])
    assert {id: await addressed(store, id) for id in (*wishes, "chat")} == {
        "all": ["session.status"],
        "star": ["session.status"],
        "family": ["session.status", "session.qr"],
        "named": ["session.qr"],
        "others": [],
        "chat": [],
    }


async def test_a_storm_of_changes_is_stored_in_one_write(store: Store) -> None:
    leases: list[Lease] = [await create_and_claim(store, f"s{number:03}") for number in range(100)]
    await store.record_statuses([StatusWrite(lease, CONNECTED, 1, 1) for lease in leases])
    found = await told(store)
    assert [event.session for event in found] == [lease.session for lease in leases]
    assert len({event.id for event in found}) == 100
