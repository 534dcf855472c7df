"""Rows and bytes of files agree, unused files are deleted, and fetching a received file is retried."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from rookery import Engine, EngineSettings, Event, open_engine
from rookery.errors import (
    InvalidInput,
    MediaTooLarge,
    NotConnected,
    NotFound,
    Rejected,
    StorageFull,
    StoredElsewhere,
    StoreUnavailable,
)
from rookery.model.event import NewEvent
from rookery.model.media import MediaFile, MediaOrigin, MediaState
from rookery.provider.capabilities import MediaSink
from rookery.store.open import MemoryStore
from support.fake_platform import FakeLink, FakePlatform, TroubledStore, connected
from support.waiting import until, until_found

BOUND = 30.0
QUICK = {"media_stray_age": 0.0}  # everything is old enough


class Fetching(FakePlatform):
    """Every link gives `data`, or fails with the next of `failures`."""

    def __init__(self) -> None:
        super().__init__()
        self.data = b"the file"
        self.failures: list[Exception] = []
        self.fetches = 0
        self.under_way = 0
        self.most_under_way = 0
        self.hold: trio.Event | None = None
        self.make_link = FetchingLink


class FetchingLink(FakeLink):
    platform: Fetching

    async def fetch_media(self, event: Event, sink: MediaSink) -> None:
        self.platform.fetches += 1
        self.platform.under_way += 1
        self.platform.most_under_way = max(self.platform.most_under_way, self.platform.under_way)
        try:
            if self.platform.hold is not None:
                await self.platform.hold.wait()
        finally:
            self.platform.under_way -= 1
        if self.platform.failures:
            raise self.platform.failures.pop(0)
        await sink.write(self.platform.data)


def files(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.rglob("*") if path.is_file() and path.name != "place")


@asynccontextmanager
async def opened(
    directory: Path, platform: FakePlatform | None = None, *, store: Any = None, **settings: Any
) -> AsyncIterator[Engine]:
    platform = platform or Fetching()
    async with open_engine(
        providers=[platform],
        store=store or MemoryStore(),
        settings=EngineSettings(**settings),
        media=directory / "media",
    ) as engine:
        await engine.create_session(id="a", platform="fake", exist_ok=True)
        await connected(engine)
        yield engine


async def received(platform: FakePlatform, engine: Engine, key: str = "1", kind: str = "image", **media: Any) -> Event:
    import msgspec

    body = msgspec.json.encode(
        {"message_id": key, "kind": kind, "text": "", "media": {"mime_type": "image/png"} | media}
    )
    await platform.link().inbox.commit([NewEvent(key, "message", 1.0, "7", "9", body, b"null")], None)
    return (await engine.read_events())[-1]


def place_of(directory: Path, file: MediaFile) -> Path:
    [path] = directory.rglob(file.id)
    return path


async def news(engine: Engine) -> Event:
    """The first one about a file."""
    with trio.fail_after(BOUND):
        return await anext(aiter(engine.events(after=0, types=["media.stored", "media.failed"])))


async def pieces_of(engine: Engine, file: MediaFile) -> bytes:
    return b"".join([piece async for piece in engine.read_media(file)])


async def test_a_file_comes_in_pieces_and_within_its_limit(tmp_path: Path) -> None:
    async def pieces(count: int) -> AsyncIterator[bytes]:
        for _ in range(count):
            yield b"x" * 100_000

    async with opened(tmp_path, media_max_size=1_000_000) as engine:
        file = await engine.store_media(pieces(10), content_type="text/plain", filename="a", session="a")
        assert (file.size, file.origin, file.state) == (1_000_000, MediaOrigin.UPLOADED, MediaState.STORED)
        assert await pieces_of(engine, file) == b"x" * 1_000_000
        for data, options, error in [
            (pieces(11), {}, MediaTooLarge),
            (b"x" * 11, {"limit": 10}, MediaTooLarge),
            (b"", {}, InvalidInput),
            (b"x", {"session": "nobody"}, NotFound),
            (b"x", {"filename": "a\0b"}, InvalidInput),
            (b"x", {"content_type": ""}, InvalidInput),
        ]:
            with pytest.raises(error):
                await engine.store_media(data, **options)  # type: ignore[arg-type]
        assert files(tmp_path) == [file.id]
        await engine.delete_session("a")
        with pytest.raises(NotFound):
            await engine.get_media(file.id)


async def test_what_fails_or_is_cancelled_leaves_nothing(tmp_path: Path) -> None:
    async def endless(end: Callable[[], Any]) -> AsyncIterator[bytes]:
        yield b"x" * 2_000_000
        end()
        await trio.sleep_forever()

    store = TroubledStore(MemoryStore())
    async with MemoryStore().open() as inner:
        store.inner = inner
        async with opened(tmp_path, store=store) as engine:
            with trio.CancelScope() as scope:
                await engine.store_media(endless(scope.cancel))
            assert scope.cancelled_caught
            assert files(tmp_path) == []
            store.down_methods.add("put_media")
            with pytest.raises(StoreUnavailable):
                await engine.store_media(b"nobody knows whether the row is there")
            [stray] = files(tmp_path)
            store.down_methods.clear()
            await engine.clean()
            assert files(tmp_path) == [stray], "it may be on its way"
        async with opened(tmp_path, store=store, **QUICK) as engine:  # type: ignore[arg-type]
            kept = await engine.store_media(b"kept")
            await engine.clean()
            assert files(tmp_path) == [kept.id]


async def test_files_go_when_their_time_is_over(tmp_path: Path) -> None:
    now = [time.time()]
    async with open_engine(
        providers=[],
        store=MemoryStore(),
        media=tmp_path,
        settings=EngineSettings(media_retention=100.0),
        clock=lambda: now[0],
    ) as engine:
        first = await engine.store_media(b"1")
        now[0] += 60
        second = await engine.store_media(b"2")
        now[0] += 60
        await engine.clean()
        assert files(tmp_path) == [second.id]
        with pytest.raises(NotFound):
            await engine.get_media(first.id)
        (tmp_path / "tmp" / "of-a-dead-process.part").write_bytes(b"x")
        (tmp_path / "a-file-of-somebody-else").write_bytes(b"x")
        await engine.clean()
        assert "of-a-dead-process.part" in files(tmp_path)
        import os

        os.utime(tmp_path / "tmp" / "of-a-dead-process.part", (1.0, 1.0))
        await engine.clean()
        assert files(tmp_path) == sorted([second.id, "a-file-of-somebody-else"])


async def test_lost_bytes_are_reported(tmp_path: Path) -> None:
    async with opened(tmp_path) as engine:
        file = await engine.store_media(b"here today")
        path = place_of(tmp_path, file)
        path.write_bytes(b"here")
        with pytest.raises(NotFound):
            await pieces_of(engine, file)
        path.unlink()
        with pytest.raises(NotFound):
            await pieces_of(engine, file)


async def test_who_asks_at_the_same_time_gets_the_same_file(tmp_path: Path) -> None:
    platform = Fetching()
    async with opened(tmp_path, platform) as engine:
        event = await received(platform, engine, filename="a.png")
        platform.hold = trio.Event()
        found: list[MediaFile] = []

        async def ask() -> None:
            found.append(await engine.media_of_event(event.id))

        with trio.fail_after(BOUND):
            async with trio.open_nursery() as nursery:
                for _ in range(5):
                    nursery.start_soon(ask)
                async with trio.open_nursery() as first:
                    first.start_soon(ask)
                    await until(lambda: platform.fetches)
                    first.cancel_scope.cancel()
                platform.hold.set()
        assert len(found) == 5
        assert len(set(map(repr, found))) == 1
        assert platform.fetches <= 2, "once, and once for the one that left"
        platform.data = b"x" * 1000
        other = await received(platform, engine, "2")
        with pytest.raises(Rejected, match="larger than the 999 bytes"):
            await engine.fetch_media(other.id, limit=999)
        said = await received(platform, engine, "3", size=1000)
        with pytest.raises(Rejected, match="has 1000 bytes"):
            await engine.fetch_media(said.id, limit=999)
        await engine.stop("a")
        with pytest.raises(NotConnected):
            await engine.media_of_event(other.id)
        assert (await engine.fetch_media(event.id)).data == b"the file"


async def test_another_instances_directory_is_named(tmp_path: Path) -> None:
    async with MemoryStore().open() as inner:
        store = TroubledStore(inner)
        async with opened(tmp_path / "one", store=store) as engine:
            file = await engine.store_media(b"x")
        async with open_engine(providers=[], store=store, media=tmp_path / "two") as engine:
            with pytest.raises(StoredElsewhere, match="one shared directory or S3"):
                await pieces_of(engine, file)
            assert await engine.delete_media(file.id)


@pytest.mark.parametrize("final", [True, False])
async def test_fetching_has_patience_and_an_end(tmp_path: Path, final: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rookery.background.media_fetcher.RETRY_DELAY", 0.05)
    monkeypatch.setattr("rookery.background.media_fetcher.LOOK_INTERVAL", 0.05)
    platform = Fetching()
    passing: list[Exception] = [NotConnected("later"), StorageFull("no room"), ValueError("bug")]
    platform.failures = [Rejected("gone")] if final else passing[:2] * 4
    async with opened(tmp_path, platform, media_fetch="all", media_fetch_attempts=3) as engine:
        event = await received(platform, engine)
        told = await news(engine)
        assert (told.type, told.body["event"], told.body["message_id"], told.chat) == (
            "media.failed",
            event.id,
            "1",
            "7",
        )
        file = await engine.get_media(told.body["file"]["id"])
        assert (file.state, file.attempts, file.error) == (
            (MediaState.FAILED, 1, "gone") if final else (MediaState.FAILED, 3, "later")
        )
        platform.failures.clear()
        assert (await engine.fetch_media(event.id)).data == b"the file", "whoever asks tries again"
        assert (await engine.get_media(file.id)).state is MediaState.STORED


async def test_a_failure_that_passes_ends_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rookery.background.media_fetcher.RETRY_DELAY", 0.05)
    monkeypatch.setattr("rookery.background.media_fetcher.LOOK_INTERVAL", 0.05)
    platform = Fetching()
    platform.failures = [NotConnected("later"), NotConnected("later")]
    async with opened(tmp_path, platform, media_fetch="image") as engine:
        await received(platform, engine, "voice", kind="voice")
        await received(platform, engine)
        told = await news(engine)
        assert (told.type, told.body["error"], platform.fetches) == ("media.stored", None, 3)
        assert await pieces_of(engine, await engine.get_media(told.body["file"]["id"])) == b"the file"


async def test_messages_never_wait_for_files(tmp_path: Path) -> None:
    platform = Fetching()
    platform.hold = trio.Event()
    async with opened(tmp_path, platform, media_fetch="all", media_fetch_concurrency=2) as engine:
        with trio.fail_after(BOUND):
            for number in range(5):
                await received(platform, engine, str(number))
            await until(lambda: platform.fetches >= 2)
            await engine.send("a", to="7", text="meanwhile")
            platform.hold.set()
            found = 0
            async for _ in engine.events(after=0, types=["media.stored"]):
                found += 1
                if found == 5:
                    break
            assert platform.most_under_way == 2, "no more than two at once"


async def test_an_event_about_a_file_that_could_not_be_stored_is_stored_later(tmp_path: Path) -> None:
    """Stored, and then the database went away."""
    platform = Fetching()
    async with MemoryStore().open() as inner:
        store = TroubledStore(inner)
        async with opened(tmp_path, platform, store=store) as engine:
            event = await received(platform, engine)
            file = await engine.media_of_event(event.id)
        import msgspec

        await inner.put_media(msgspec.structs.replace(file, due_at=0.0))
        async with open_engine(
            providers=[platform],
            store=store,
            settings=EngineSettings(media_fetch="all"),
            media=tmp_path / "media",
        ) as engine:
            assert (await news(engine)).body["file"]["id"] == file.id
            assert platform.fetches == 1
            await until_found(lambda: engine.get_media(file.id), lambda file: file.due_at is None, seconds=BOUND)


def test_kinds_have_names() -> None:
    from rookery.background.media_fetcher import kinds_of

    assert kinds_of(None) == kinds_of("") == frozenset()
    assert kinds_of("image, voice") == {"image", "voice"}
    assert "sticker" in kinds_of("all")
    with pytest.raises(InvalidInput, match="'gif'"):
        kinds_of("image,gif")
