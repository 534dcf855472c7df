"""Conformance: the records of files."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from rookery.errors import NotFound
from rookery.model.media import MediaFile, MediaOrigin, MediaQuery, MediaState
from rookery.store.contract import Store
from rookery.store.contract.media import ELSEWHERE_GRACE
from store.backends import Backend
from store.building import new_session


def file(id: str = "one", **changes: Any) -> MediaFile:
    fields: dict[str, Any] = {
        "id": id,
        "session": None,
        "origin": MediaOrigin.UPLOADED,
        "state": MediaState.STORED,
        "content_type": "image/png",
        "filename": "a ☃.png",
        "size": 2**40,
        "sha256": "ab" * 32,
        "place": "here",
        "created_at": 1000.0,
        "expires_at": 2000.0,
    }
    return MediaFile(**fields | changes)


def inbound(event: int, **changes: Any) -> MediaFile:
    waiting: dict[str, Any] = {"state": MediaState.WAITING, "place": None, "sha256": None, "due_at": 1500.0}
    fields = {"session": "shop", "origin": MediaOrigin.INBOUND, "event": event} | waiting
    return file(f"event-{event}", **fields | changes)


async def ids(store: Store, **query: Any) -> list[str]:
    return [found.id for _, found in await store.list_media(MediaQuery(**query))]


async def test_what_was_put_is_found(durable: Backend) -> None:
    async with durable.make().open() as store:
        await store.create_session(new_session())  # type: ignore[attr-defined]
        assert await store.put_media(file()) == file()  # type: ignore[attr-defined]
        assert await store.put_media(inbound(7)) == inbound(7)  # type: ignore[attr-defined]
        with pytest.raises(NotFound, match="session"):
            await store.put_media(file("two", session="nobody"))  # type: ignore[attr-defined]
    async with durable.make().open() as store:
        assert await store.get_media("one") == file()  # type: ignore[attr-defined]
        assert await store.get_media("event-7") == inbound(7)  # type: ignore[attr-defined]
        with pytest.raises(NotFound, match="media"):
            await store.get_media("two")  # type: ignore[attr-defined]


async def test_a_second_put_replaces_what_may_change(store: Store) -> None:
    await store.create_session(new_session())
    await store.put_media(inbound(7))
    stored = inbound(
        7, state=MediaState.STORED, place="here", sha256="cd" * 32, attempts=2, due_at=None, expires_at=1999.0
    )
    put = await store.put_media(stored)
    assert put == await store.get_media("event-7") == msgspec.structs.replace(stored, expires_at=2000.0)
    assert await store.extend_media("event-7", 1000.0)
    assert (await store.get_media("event-7")).expires_at == 2000.0
    assert await store.extend_media("event-7", 3000.0)
    assert (await store.get_media("event-7")).expires_at == 3000.0
    assert not await store.extend_media("nobody", 3000.0)


async def test_lists_are_newest_first(store: Store) -> None:
    for session in ("shop", "other"):
        await store.create_session(new_session(session))
    await store.put_media(file())
    await store.put_media(file("two", session="other"))
    await store.put_media(inbound(7))
    assert await ids(store) == ["event-7", "two", "one"]
    page = await store.list_media(MediaQuery(limit=2))
    assert await ids(store, before=page[-1][0]) == ["one"]
    assert await ids(store, session="shop") == ["event-7"]
    assert await ids(store, sessions=("other", "nobody")) == ["two"]
    assert await ids(store, sessions=()) == []
    assert await ids(store, origin=MediaOrigin.UPLOADED, state=MediaState.STORED) == ["two", "one"]
    assert await ids(store, state=MediaState.FAILED) == []


async def test_files_go_with_their_session(store: Store) -> None:
    await store.create_session(new_session())
    await store.put_media(file())
    await store.put_media(inbound(7))
    await store.delete_session("shop")
    assert await ids(store) == ["one"]
    assert await store.delete_media("one")
    assert not await store.delete_media("one")


async def test_plans_are_made_once(durable: Backend) -> None:
    async with durable.make().open() as store:
        await store.create_session(new_session())  # type: ignore[attr-defined]
        assert await store.media_cursor() is None  # type: ignore[attr-defined]
        await store.plan_media([], 5)  # type: ignore[attr-defined]
        assert await store.media_cursor() == 5  # type: ignore[attr-defined]
        stored = await store.put_media(inbound(6, state=MediaState.STORED, due_at=None))  # type: ignore[attr-defined]
        await store.plan_media([inbound(6), inbound(7), inbound(8, session="nobody")], 8)  # type: ignore[attr-defined]
        assert await store.get_media("event-6") == stored  # type: ignore[attr-defined]
    async with durable.make().open() as store:
        assert await store.media_cursor() == 8  # type: ignore[attr-defined]
        assert await ids(store) == ["event-7", "event-6"]  # type: ignore[arg-type]


async def test_due_files_come_in_order(store: Store) -> None:
    for session in ("shop", "other"):
        await store.create_session(new_session(session))
    await store.plan_media(
        [inbound(1, due_at=1502.0), inbound(2, due_at=1501.0), inbound(3, session="other"), inbound(4, due_at=1600.0)],
        4,
    )
    await store.put_media(file())

    async def due(*sessions: str, limit: int = 10) -> list[str]:
        return [found.id for found in await store.due_media(sessions, now=1510.0, limit=limit)]

    assert await due("shop") == ["event-2", "event-1"]
    assert await due("shop", limit=1) == ["event-2"]
    assert await due("shop", "other") == ["event-3", "event-2", "event-1"]
    assert await due() == []


async def test_files_expire_where_they_are(store: Store) -> None:
    await store.create_session(new_session())
    await store.put_media(file("here"))
    await store.put_media(file("later", expires_at=2001.0))
    await store.put_media(file("elsewhere", place="there"))
    await store.put_media(inbound(7))
    assert await store.known_media(["here", "elsewhere", "event-7", "nobody"], "here") == {"here"}
    assert await store.expire_media("here", now=1999.0, limit=10) == []
    assert set(await store.expire_media("here", now=2000.0, limit=10)) == {"here", "event-7"}
    assert await store.expire_media("here", now=2000.0 + ELSEWHERE_GRACE, limit=1) == ["elsewhere"]
    assert await ids(store) == ["later"]
