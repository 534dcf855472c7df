"""The files of a chat that is erased, also when the erasure breaks off."""

from __future__ import annotations

from pathlib import Path

import pytest

from rookery import open_engine
from rookery.errors import NotFound, StoreError
from rookery.media.spool import Spool
from rookery.model.media import MediaFile, MediaOrigin, MediaState, id_of_event
from rookery.store.open import MemoryStore
from support.engines.broken_deletions import break_deletion, mend_deletion
from support.fake_platform import FakePlatform, connected, event

COUNT = 120


def files(directory: Path) -> set[str]:
    return {path.name for path in directory.rglob("*") if path.is_file() and path.name != "place"}


async def test_an_erasure_that_breaks_off_leaves_no_file_of_an_erased_event(tmp_path: Path) -> None:
    """The second piece fails; the newest events come first."""
    store, platform = MemoryStore(), FakePlatform()
    async with open_engine(providers=[platform], store=store, media=tmp_path / "media") as engine:
        await engine.create_session(id="a", platform="fake")
        await connected(engine)
        await platform.link().inbox.commit([event(number) for number in range(COUNT)], None)
        log = [one for one in await engine.read_events() if one.chat == "7"]
        kept, erased = id_of_event(log[5].id), id_of_event(log[-5].id)

        async def fill(spool: Spool) -> None:
            await spool.write(b"a picture")

        for id, at in ((kept, log[5]), (erased, log[-5])):
            file = MediaFile(
                id=id,
                session="a",
                origin=MediaOrigin.INBOUND,
                state=MediaState.WAITING,
                content_type="image/png",
                event=at.id,
                created_at=at.time,
                expires_at=9e9,
            )
            await engine._vault.save(file, fill)
        assert files(tmp_path) == {kept, erased}

        await break_deletion(store, key=log[20].key)
        with pytest.raises(StoreError):
            await engine.erase_chat("a", "7")
        left = [one for one in await engine.read_events() if one.chat == "7"]
        assert 20 < len(left) < COUNT
        assert files(tmp_path) == {kept}
        assert (await engine.get_media(kept)).state is MediaState.STORED
        with pytest.raises(NotFound):
            await engine.get_media(erased)

        await mend_deletion(store)
        again = await engine.erase_chat("a", "7")
        assert (again.events, again.media) == (len(left), (kept,))
        assert files(tmp_path) == set()
