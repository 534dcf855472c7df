"""Files where several instances share a database and each has a disk of its own: which files the others can read."""

from __future__ import annotations

from pathlib import Path

import pytest

from rookery import Event, EventQuery, SessionStatus
from rookery.errors import StoredElsewhere
from rookery.model.event import NewEvent
from rookery.model.media import MediaFile
from rookery.provider.capabilities import MediaSink
from store.backends import PostgresBackend
from support.engines.shared_engines import open_shared, running
from support.fake_platform import FakeLink, FakePlatform
from support.waiting import until

DATA = b"0123456789" * 250_000


class FetchingLink(FakeLink):
    fetches = 0

    async def fetch_media(self, event: Event, sink: MediaSink) -> None:
        type(self).fetches += 1
        await sink.write(DATA)


async def all_of(engine: object, file: MediaFile, **part: int) -> bytes:
    return b"".join([piece async for piece in engine.read_media(file, **part)])  # type: ignore[attr-defined]


@pytest.mark.parametrize("shared", [False, True])
async def test_files_of_another_instance(postgres: PostgresBackend, tmp_path: Path, shared: bool) -> None:
    FetchingLink.fetches = 0
    platform = FakePlatform()
    platform.make_link = FetchingLink
    directories = [tmp_path / ("both" if shared else name) for name in ("owner", "other")]
    options = {"media_fetch": "image"}
    async with (
        open_shared(postgres, platform, "owner", media=directories[0], **options) as owner,  # type: ignore[arg-type]
        open_shared(postgres, FakePlatform(), "other", media=directories[1], rebalance_batch=0, **options) as other,  # type: ignore[arg-type]
    ):
        await other.drain(0.0)
        await other.create_session(id="a", platform="fake")
        await until(lambda: running(owner) == {"a"})
        await other.wait_status("a", SessionStatus.CONNECTED)
        body = b'{"kind": "image", "media": {"mime_type": "image/png"}}'
        await platform.link().inbox.commit([NewEvent("1", "message", 1.0, "7", "9", body, b"null")], None)
        told = await anext(aiter(other.events(after=0, types=["media.stored"])))
        [event] = await other.read_events(EventQuery(types=("message",)))
        file = await other.media_of_event(event.id)
        assert (file.id, file.size) == (told.body["file"]["id"], len(DATA))
        assert await all_of(other, file) == DATA, "the owner hands it over, or it is at hand"
        assert await all_of(other, file, start=1_048_570, size=12) == DATA[1_048_570:1_048_582]
        assert FetchingLink.fetches == 1, "one of them planned it, one fetched it"
        assert len(await other.read_events(EventQuery(types=("media.stored",)))) == 1
        uploaded = await owner.store_media(b"uploaded here", session="a")
        found = await other.get_media(uploaded.id)
        if shared:
            assert await all_of(other, found) == b"uploaded here"
        else:
            with pytest.raises(StoredElsewhere):
                await all_of(other, found)
