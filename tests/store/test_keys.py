"""Conformance: API keys and the audit log."""

from __future__ import annotations

from typing import Any

import pytest

from rookery.errors import AlreadyExists, NotFound
from rookery.model.event import EventQuery
from rookery.model.key import ApiKey, AuditEntry, AuditQuery, Scope
from rookery.store.contract import Store
from store.building import create_and_claim, event


def key(id: str = "k", **changes: Any) -> ApiKey:
    fields: dict[str, Any] = {"id": id, "name": "The shop", "digest": f"d-{id}", "scopes": (Scope.READ, Scope.SEND)}
    return ApiKey(**fields | {"created_at": 1000.0} | changes)


def entry(number: int, **changes: Any) -> AuditEntry:
    fields: dict[str, Any] = {"key": "k", "call": "send_message", "session": "shop", "target": None, "outcome": 200}
    return AuditEntry(at=1000.0 + number, **fields | changes)


async def test_a_key_comes_back_as_it_was_stored(store: Store) -> None:
    plain = key()
    full = key("full", sessions=("a", "b"), rate=2.5, expires_at=3000.0, scopes=(Scope.MANAGE,))
    admin = key("admin", scopes=(Scope.ADMIN,))
    for one in (plain, full, admin):
        assert await store.create_key(one) == one
        assert await store.get_key(one.id) == one
        assert await store.find_key(one.digest) == one
    assert await store.list_keys(after=None, limit=10) == [admin, full, plain]
    assert await store.list_keys(after="admin", limit=1) == [full]
    assert await store.find_key("nothing") is None
    with pytest.raises(NotFound):
        await store.get_key("nobody")


async def test_ids_and_digests_are_taken_once(store: Store) -> None:
    await store.create_key(key())
    for same in (key(digest="other"), key("other", digest="d-k")):
        with pytest.raises(AlreadyExists):
            await store.create_key(same)


async def test_a_deleted_key_is_gone(store: Store) -> None:
    await store.create_key(key())
    assert await store.delete_key("k")
    assert not await store.delete_key("k")
    assert await store.find_key("d-k") is None


async def test_which_keys_remain(store: Store) -> None:
    for id in ("a", "b", "c"):
        await store.create_key(key(id))
    await store.delete_key("b")
    assert set(await store.remaining_keys(["a", "b", "nobody"])) == {"a"}
    assert set(await store.remaining_keys([])) == set()


async def test_the_last_use_only_moves_on(store: Store) -> None:
    await store.create_key(key())
    for used, shown in ((2000.0, 2000.0), (1500.0, 2000.0), (2500.0, 2500.0)):
        await store.touch_keys({"k": used, "gone": used})
        assert (await store.get_key("k")).last_used_at == shown
    await store.touch_keys({})


async def test_the_audit_log_is_read_from_its_end(store: Store) -> None:
    await store.append_audit([])
    await store.append_audit([entry(1), entry(2, key="other")])
    await store.append_audit([entry(3, session=None, target="wh-1", outcome=404)])
    found = await store.read_audit(AuditQuery())
    assert [one.at for one in found] == [1003.0, 1002.0, 1001.0]
    assert (found[0].session, found[0].target, found[0].outcome) == (None, "wh-1", 404)
    assert [one.at for one in await store.read_audit(AuditQuery(before=found[0].id, limit=1))] == [1002.0]
    assert [one.at for one in await store.read_audit(AuditQuery(key="k"))] == [1003.0, 1001.0]
    assert [one.at for one in await store.read_audit(AuditQuery(session="shop", key="other"))] == [1002.0]


async def test_the_audit_log_is_bounded_by_age_and_number(store: Store) -> None:
    await store.append_audit([entry(number) for number in range(10)])
    assert await store.prune_audit(before=0.0, keep=100) == 0
    assert await store.prune_audit(before=1003.0, keep=100) == 3
    assert await store.prune_audit(before=0.0, keep=2) == 5
    assert [one.at for one in await store.read_audit(AuditQuery())] == [1009.0, 1008.0]


async def test_events_of_some_sessions(store: Store) -> None:
    for id in ("a", "b", "c"):
        await store.append(await create_and_claim(store, id), [event(id)], None)
    for wanted, shown in ((("a", "c"), ["a", "c"]), ((), []), (("nobody",), []), (None, ["a", "b", "c"])):
        found = await store.read_events(EventQuery(sessions=wanted))
        assert [one.session for one in found] == shown
    assert await store.read_events(EventQuery(sessions=("a",), session="b")) == []
