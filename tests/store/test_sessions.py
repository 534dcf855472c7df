"""Conformance: sessions, leases, history."""

from __future__ import annotations

import time

import msgspec
import pytest

from rookery.errors import AlreadyExists, LeaseLost, NotFound
from rookery.model.event import EventQuery
from rookery.model.message import MessageState, SendOutcome
from rookery.model.session import (
    HISTORY_LENGTH,
    Action,
    BareSessionQuery,
    Health,
    Lease,
    Reason,
    SessionChange,
    SessionQuery,
    SessionStatus,
    StatusWrite,
)
from rookery.model.webhook import DeliveryOutcome
from rookery.store.contract import Store
from store.building import (
    TOKEN,
    claim,
    create_and_claim,
    event,
    event_keys,
    health,
    message,
    new_session,
    set_status,
    take_over,
    webhook,
)


async def test_a_session_comes_back_as_it_was_stored(store: Store) -> None:
    explained = Health(
        status=SessionStatus.DISCONNECTED,
        reason=Reason.NETWORK,
        detail="no route",
        since=12.25,
        action=Action.RETRY,
        last_error="timeout",
        next_retry_at=99.5,
    )
    given = new_session(health=explained, cursor="17", settings={"deep": {"list": [1, None, "ü", r"\u0000"]}})
    created = await store.create_session(given)
    assert created.uid > 0
    found = await store.get_session("shop")
    assert found == created
    assert (found.credentials, found.settings, found.metadata) == (given.credentials, given.settings, given.metadata)
    assert (found.health, found.cursor, found.owner, found.fence) == (explained, "17", None, 0)
    assert TOKEN not in repr(found)


async def test_an_id_is_taken_once(store: Store) -> None:
    await store.create_session(new_session())
    with pytest.raises(AlreadyExists):
        await store.create_session(new_session(platform="whatsapp"))
    assert (await store.get_session("shop")).platform == "telegram"


async def test_an_unknown_session_is_not_found(store: Store) -> None:
    for call in (
        store.get_session("nobody"),
        store.history("nobody"),
        store.update_session("nobody", SessionChange(enabled=False), now=1.0),
    ):
        with pytest.raises(NotFound):
            await call
    assert await store.delete_session("nobody") is False


async def test_sessions_are_listed_by_id_in_pages(store: Store) -> None:
    for id in ("b", "Z", "a", "ä", "a-2"):
        await store.create_session(new_session(id, enabled=id != "b", platform="whatsapp" if id == "Z" else "telegram"))

    async def ids(**query: object) -> list[str]:
        return [session.id for session in await store.list_sessions(SessionQuery(**query))]  # type: ignore[arg-type]

    assert await ids() == ["Z", "a", "a-2", "b", "ä"]
    assert await ids(limit=2) == ["Z", "a"]
    assert await ids(after="a", limit=2) == ["a-2", "b"]
    assert await ids(platform="whatsapp") == ["Z"]
    assert await ids(enabled=False) == ["b"]
    assert await ids(ids=("ä", "a", "nobody")) == ["a", "ä"]
    assert await ids(ids=()) == []
    assert await ids(status=SessionStatus.INITIALIZING, after="b") == ["ä"]
    assert await ids(status=SessionStatus.CONNECTED) == []
    await claim(store, "a", owner="one")
    assert await ids(owner="one") == ["a"]


async def test_bare_sessions_lack_what_has_to_be_deciphered(store: Store) -> None:
    for id in ("a", "b"):
        await store.create_session(new_session(id))
    [whole, _] = await store.list_sessions(SessionQuery())
    assert whole.credentials
    [bare] = await store.list_sessions(BareSessionQuery(limit=1))
    assert bare == msgspec.structs.replace(whole, credentials={}, settings={}, metadata={})


async def test_counts(store: Store) -> None:
    for id, enabled in (("a", True), ("b", True), ("c", False)):
        await store.create_session(new_session(id, enabled=enabled))
    assert await store.count_sessions() == {
        ("telegram", "INITIALIZING", True): 2,
        ("telegram", "INITIALIZING", False): 1,
    }


async def test_an_operator_changes_only_what_is_given(store: Store) -> None:
    before = await store.create_session(new_session())
    after = await store.update_session("shop", SessionChange(enabled=False), now=2000.0)
    assert (after.enabled, after.updated_at, after.commands, after.restarts) == (False, 2000.0, 0, 0)
    assert (after.name, after.credentials, after.settings, after.metadata) == (
        before.name,
        before.credentials,
        before.settings,
        before.metadata,
    )
    change = SessionChange(name="n", credentials={"token": "other"}, settings={}, metadata={"a": 1}, restart=True)
    after = await store.update_session("shop", change, now=2001.0)
    assert (after.name, after.credentials, after.settings, after.metadata) == ("n", {"token": "other"}, {}, {"a": 1})
    assert (after.commands, after.restarts) == (1, 1)
    after = await store.update_session("shop", SessionChange(command=True), now=2002.0)
    assert (after.commands, after.restarts) == (2, 1)
    assert await store.get_session("shop") == after


async def test_a_claim_takes_only_wanted_sessions_without_a_holder(store: Store) -> None:
    await store.create_session(new_session("disabled", enabled=False))
    await store.create_session(new_session("done", health=health(SessionStatus.AUTH_FAILURE, Reason.INVALID_TOKEN)))
    retried = health(SessionStatus.AUTH_FAILURE, Reason.INVALID_TOKEN)
    await store.create_session(new_session("retried", health=retried, commands=3, heeded=2))
    for id in ("c", "a", "b"):
        await store.create_session(new_session(id))
    now = time.time()
    first = await store.claim("one", limit=2, now=now, ttl=60.0)
    assert [(s.id, s.owner, s.fence) for s in first] == [("a", "one", 1), ("b", "one", 1)]
    assert first[0].credentials == {"token": TOKEN}
    assert [s.id for s in await store.claim("two", limit=5, now=now, ttl=60.0, only=["retried", "a", "x"])] == [
        "retried"
    ]
    assert [s.id for s in await store.claim("two", limit=5, now=now, ttl=60.0, only=[])] == []
    assert [s.id for s in await store.claim("two", limit=5, now=now, ttl=60.0)] == ["c"]
    assert await store.claim("one", limit=5, now=now, ttl=60.0) == []


async def test_a_released_session_can_be_claimed_with_a_higher_fence(store: Store) -> None:
    first = await create_and_claim(store)
    await store.release(first)
    assert (await store.get_session("shop")).owner is None
    second = await claim(store, owner="two")
    assert second.fence > first.fence
    await store.release(first)  # stale: changes nothing, raises nothing
    assert (await store.get_session("shop")).owner == "two"


async def test_renewal_tells_which_leases_are_held(store: Store) -> None:
    kept, stale = await create_and_claim(store, "kept"), await create_and_claim(store, "stale")
    gone = await create_and_claim(store, "gone")
    await take_over(store, stale)
    await store.delete_session("gone")
    assert await store.renew("one", [kept, stale, gone], now=time.time(), ttl=60.0) == {"kept"}
    assert await store.renew("one", [], now=time.time(), ttl=60.0) == set()


async def test_a_stale_lease_writes_nothing(store: Store) -> None:
    stale = await create_and_claim(store)
    queued, _ = await store.enqueue(message(), pending_limit=10)
    await store.create_webhook(webhook())
    await take_over(store, stale)
    before = await store.get_session("shop")
    forged = Lease(stale.session, stale.uid, "two", stale.fence)
    for lease in (stale, forged):
        with pytest.raises(LeaseLost):
            await store.append(lease, [event(1)], "1")
        with pytest.raises(LeaseLost):
            await store.append(lease, [event(1)], None)
        with pytest.raises(LeaseLost):
            await store.append(lease, [], None)
        with pytest.raises(LeaseLost):
            await store.save_credentials(lease, {"token": "stolen"})
        with pytest.raises(LeaseLost):
            await store.record_sends(lease, [SendOutcome(id=queued.id, state=MessageState.SENDING, at=1.0)])
        with pytest.raises(LeaseLost):
            await store.resolve_interrupted(lease, now=1.0)
        with pytest.raises(LeaseLost):
            await store.pending_messages(lease, exclude=[], limit=10)
        assert await set_status(store, lease, SessionStatus.CONNECTED, Reason.CONNECTED) == {"shop"}
    assert await store.get_session("shop") == before
    assert await store.history("shop") == []
    assert await event_keys(store) == []
    assert await store.delivery_counts() == {"hook": (0, 0)}
    assert await store.get_message(queued.id) == queued


async def test_a_deleted_session_ends_its_owner(store: Store) -> None:
    lease = await create_and_claim(store)
    assert await store.delete_session("shop") is True
    with pytest.raises(LeaseLost):
        await store.append(lease, [event(1)], "1")
    await store.create_session(new_session())
    with pytest.raises(LeaseLost):
        await store.append(lease, [event(1)], "1")


async def test_a_session_created_anew_does_not_meet_its_predecessor(store: Store) -> None:
    old = await create_and_claim(store)
    await store.append(old, [event(1), event(2)], "3")
    await store.enqueue(message(idempotency_key="k"), pending_limit=10)
    await store.delete_session("shop")
    new = await create_and_claim(store)
    assert new.uid != old.uid
    session = await store.get_session("shop")
    assert (session.cursor, session.fence) == (None, 1)
    assert await store.append(new, [event(1)], "2") == 1
    assert await event_keys(store) == ["1", "2", "1"]
    assert (await store.enqueue(message(to="8", idempotency_key="k"), pending_limit=10))[1] is True


async def test_delete_takes_what_belongs_to_the_session_and_nothing_else(store: Store) -> None:
    lease, other = await create_and_claim(store), await create_and_claim(store, "other")
    await store.create_webhook(webhook("own", session="shop"))
    await store.create_webhook(webhook("global"))
    await store.append(lease, [event(1), event(2)], None)
    await store.append(other, [event(1)], None)
    ids = [found.id for found in await store.read_events(EventQuery(session="shop"))]
    await store.record_deliveries(
        [DeliveryOutcome(webhook="own", event_id=ids[0], delivered=False, at=1.0, error="no")]
    )
    mine, _ = await store.enqueue(message(), pending_limit=10)
    theirs, _ = await store.enqueue(message("other"), pending_limit=10)
    await set_status(store, lease, SessionStatus.CONNECTED, Reason.CONNECTED)
    await store.delete_session("shop")
    with pytest.raises(NotFound):
        await store.get_message(mine.id)
    assert await store.get_message(theirs.id) == theirs
    assert [hook.id for hook in await store.list_webhooks()] == ["global"]
    assert await store.delivery_counts() == {"global": (4, 0)}, "two events of each session, and a change of status"
    assert len(await store.read_events(EventQuery(session="shop", types=("message",)))) == 2
    assert [session.id for session in await store.list_sessions(SessionQuery())] == ["other"]


async def test_statuses_are_written_in_order_and_kept_as_history(store: Store) -> None:
    lease, other = await create_and_claim(store), await create_and_claim(store, "other")
    stale = await create_and_claim(store, "stale")
    await take_over(store, stale)
    loading = health(SessionStatus.LOADING, Reason.STARTING, "connecting", 1.0)
    more = health(SessionStatus.LOADING, Reason.STARTING, "still connecting", 2.0)
    connected = health(SessionStatus.CONNECTED, Reason.CONNECTED, "as @shop", 3.0)
    lost = await store.record_statuses(
        [
            StatusWrite(lease, loading, 1, 1),
            StatusWrite(other, loading, 0, 1),
            StatusWrite(stale, connected, 0, 1),
            StatusWrite(lease, more, 1, 2),
            StatusWrite(lease, connected, 2, 3),
        ]
    )
    assert lost == {"stale"}
    found = await store.get_session("shop")
    assert (found.health, found.heeded) == (connected, 2)
    assert (await store.get_session("other")).health == loading
    assert [(t.status, t.reason, t.detail, t.at) for t in await store.history("shop")] == [
        (SessionStatus.CONNECTED, Reason.CONNECTED, "as @shop", 3.0),
        (SessionStatus.LOADING, Reason.STARTING, "connecting", 1.0),
    ]
    assert await store.record_statuses([]) == set()


async def test_the_history_is_bounded(store: Store) -> None:
    lease, other = await create_and_claim(store), await create_and_claim(store, "other")
    await set_status(store, other, SessionStatus.CONNECTED, Reason.CONNECTED)
    statuses = (SessionStatus.CONNECTED, Reason.CONNECTED), (SessionStatus.RECONNECTING, Reason.NETWORK)
    for number in range(HISTORY_LENGTH + 7):
        await set_status(store, lease, *statuses[number % 2], since=float(number))
    kept = await store.history("shop")
    assert [transition.at for transition in kept] == [float(n) for n in range(HISTORY_LENGTH + 6, 6, -1)]
    assert len(await store.history("other")) == 1


async def test_a_terminal_status_is_not_claimed_until_a_newer_command(store: Store) -> None:
    lease = await create_and_claim(store)
    await set_status(store, lease, SessionStatus.AUTH_FAILURE, Reason.INVALID_TOKEN)
    await store.release(lease)
    assert await store.claim("one", limit=5, now=time.time(), ttl=60.0) == []
    await store.update_session("shop", SessionChange(command=True), now=1.0)
    assert (await claim(store)).fence == 2


async def test_credentials_are_replaced_by_the_owner(store: Store) -> None:
    lease = await create_and_claim(store)
    await store.save_credentials(lease, {"keys": "new"})
    assert (await store.get_session("shop")).credentials == {"keys": "new"}


async def test_a_free_duty_can_be_taken_and_kept(store: Store) -> None:
    assert await store.take_duties("one", ["a", "b"], ttl=60.0) == {"a", "b"}
    assert await store.take_duties("one", ["b", "c"], ttl=60.0) == {"b", "c"}
    await store.drop_duties("one", ["a", "b", "nothing"])
    assert await store.take_duties("two", ["a", "b"], ttl=60.0) == {"a", "b"}
