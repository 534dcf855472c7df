"""What every storage of files promises: a directory, a temporary one, and a bucket of a real S3 server."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path

import pytest
import trio

from rookery.errors import InvalidInput, MediaTooLarge, StorageUnavailable
from rookery.media.disk import DiskStorage
from rookery.media.open import storage_from_text
from rookery.media.spool import BLOCK, forget_spools, open_spool
from rookery.media.storage import MediaStorage
from support.s3_server import REGION, S3Server

DATA = os.urandom(BLOCK + 12_345)


Make = Callable[[], MediaStorage]


@pytest.fixture(params=["directory", "temporary", "s3"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """More than one of the same place, except a temporary one."""
    if request.param == "directory":
        return lambda: storage_from_text(tmp_path / "files")
    if request.param == "temporary":
        return lambda: DiskStorage(None)
    server: S3Server = request.getfixturevalue("s3")
    bucket = server.bucket()
    return lambda: at(server, f"s3://{bucket}/some/prefix", spools=tmp_path / "spools")


def at(server: S3Server, place: str, **changes: object) -> MediaStorage:
    options = {"endpoint": server.endpoint, "region": REGION, "access_key": server.access_key} | changes
    return storage_from_text(place, secret_key=str(options.pop("secret_key", server.secret_key)), **options)  # type: ignore[arg-type]


@pytest.fixture
async def storage(make: Make) -> AsyncIterator[MediaStorage]:
    storage = make()
    async with storage.open():
        yield storage


async def put(storage: MediaStorage, id: str, data: bytes = DATA) -> None:
    async with open_spool(storage.spools, len(data)) as spool:
        for start in range(0, len(data), 100_000):
            await spool.write(data[start : start + 100_000])
        await spool.finish()
        await storage.keep(id, spool)


async def read(storage: MediaStorage, id: str, start: int = 0, size: int | None = None) -> bytes:
    async with aclosing(storage.read(id, start, len(DATA) - start if size is None else size)) as pieces:
        return b"".join([piece async for piece in pieces])


async def names(storage: MediaStorage, seconds: float = -60.0) -> list[str]:
    async with aclosing(storage.older_than(seconds)) as pages:
        return sorted([id async for page in pages for id in page])


async def test_what_was_kept_is_read(storage: MediaStorage) -> None:
    await put(storage, "one")
    assert await read(storage, "one") == DATA
    assert await read(storage, "one", 5, 10) == DATA[5:15]
    assert await read(storage, "one", BLOCK - 1, 3) == DATA[BLOCK - 1 : BLOCK + 2]
    assert await read(storage, "one", 5, 0) == b""
    async with storage.local("one") as path:
        assert path.read_bytes() == DATA
    await put(storage, "one", b"anew")
    assert await read(storage, "one", 0, 4) == b"anew"
    assert await names(storage) == ["one"]
    assert await names(storage, 3600.0) == []


async def test_what_is_not_there(storage: MediaStorage) -> None:
    await put(storage, "one", b"short")
    for id, size in (("two", 5), ("one", 6)):
        with pytest.raises(FileNotFoundError):
            await read(storage, id, 0, size)
    with pytest.raises(FileNotFoundError):
        async with storage.local("two"):
            pass
    await storage.remove(["one", "two"])
    assert await names(storage) == []
    for bad in ("../one", "a/b", ".", "", "-x", "ä", "x" * 81):
        with pytest.raises(InvalidInput):
            await read(storage, bad)


async def test_a_spool_leaves_nothing_behind(storage: MediaStorage) -> None:
    async with open_spool(storage.spools, 10) as spool:
        assert stat.S_IMODE(spool.path.stat().st_mode) == 0o600
        await spool.write(b"0123456789")
        with pytest.raises(MediaTooLarge) as caught:
            await spool.write(b"x")
        assert caught.value.limit == 10
    async with open_spool(storage.spools, 10) as spool:
        spool.path.write_bytes(b"x" * 11)
        with pytest.raises(MediaTooLarge):
            await spool.adopt()
        spool.path.write_bytes(b"abc")
        await spool.adopt()
        await spool.finish()
        assert (spool.size, spool.sha256[:8]) == (3, "ba7816bf")
    with pytest.raises(RuntimeError):
        async with open_spool(storage.spools, 10):
            raise RuntimeError
    assert list(storage.spools.iterdir()) == []
    for name in ("old.part", "new.part", "other"):
        (storage.spools / name).write_bytes(b"")
    os.utime(storage.spools / "old.part", (1.0, 1.0))
    os.utime(storage.spools / "other", (1.0, 1.0))
    assert forget_spools(storage.spools, time.time() - 60) == 1
    assert sorted(path.name for path in storage.spools.iterdir()) == ["new.part", "other"]


async def test_a_place_is_known_again(tmp_path: Path, s3: S3Server) -> None:
    first, second, other = (DiskStorage(tmp_path / name) for name in ("a", "a", "b"))
    assert not first.begun
    assert first.place == second.place != other.place
    assert first.begun
    bucket = s3.bucket()
    assert at(s3, f"s3://{bucket}/x").place == at(s3, f"s3://{bucket}/x/", spools=tmp_path).place
    assert at(s3, f"s3://{bucket}/x").place != at(s3, f"s3://{bucket}/y").place


async def test_prefixes_are_apart(s3: S3Server) -> None:
    bucket = s3.bucket()
    whole, part = at(s3, f"s3://{bucket}"), at(s3, f"s3://{bucket}/part")
    async with whole.open(), part.open():
        await put(whole, "one", b"1")
        await put(part, "two", b"2")
        assert (await names(whole), await names(part)) == (["one"], ["two"])


async def test_s3_errors_are_reported_without_secrets(s3: S3Server) -> None:
    bucket = s3.bucket()
    for storage, words in [
        (at(s3, f"s3://{bucket}", secret_key="wrong"), "403 SignatureDoesNotMatch"),
        (at(s3, f"s3://{bucket}", access_key="nobody"), "403 InvalidAccessKeyId"),
        (at(s3, "s3://no-such-bucket"), "404 NoSuchBucket"),
        (at(s3, f"s3://{bucket}", endpoint="http://127.0.0.1:9"), "does not answer"),
    ]:
        async with storage.open():
            for attempt in (lambda: put(storage, "one", b"1"), lambda: read(storage, "one"), lambda: names(storage)):  # noqa: B023
                with pytest.raises(StorageUnavailable, match=words) as caught, trio.fail_after(20):
                    await attempt()
                assert "wrong" not in str(caught.value)
        assert "wrong" not in repr(storage)


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("ftp://x/y", {}),
        ("s3://x", {"access_key": "a", "secret_key": "b"}),
        ("s3://bucket", {"access_key": "a"}),
        ("s3://bucket", {"access_key": "a", "secret_key": "b", "endpoint": "nowhere"}),
    ],
)
def test_what_names_no_storage(text: str, options: dict[str, str]) -> None:
    with pytest.raises(InvalidInput):
        storage_from_text(text, **options)  # type: ignore[arg-type]
