"""Large files through a real server: in bounded memory, and across `kill -9`; on disk and in an S3 bucket."""

from __future__ import annotations

import hashlib
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import psutil
import pytest
import trio

from support.s3_server import REGION, S3Server
from support.server_process import ServerProcess, open_server_process
from support.storage import LONG

MEBIBYTE = 1024 * 1024
SIZE = (200 if LONG else 48) * MEBIBYTE
MAY_GROW = 24 * MEBIBYTE
"""Of the server's memory while the file goes through; measured: 5 to 10 MiB whatever its size."""
TYPE = {"Content-Type": "application/octet-stream"}
LARGE = {"ROOKERY_MEDIA_MAX_SIZE": str(512 * MEBIBYTE)}
BOUND = 60.0


@pytest.fixture(params=["disk", "s3"])
def place(request: pytest.FixtureRequest) -> dict[str, str]:
    """The settings of a server that keeps its files there."""
    if request.param == "disk":
        return LARGE
    server: S3Server = request.getfixturevalue("s3")
    return LARGE | {
        "ROOKERY_MEDIA": f"s3://{server.bucket()}/files",
        "ROOKERY_S3_ENDPOINT": server.endpoint,
        "ROOKERY_S3_REGION": REGION,
        "ROOKERY_S3_ACCESS_KEY": server.access_key,
        "ROOKERY_S3_SECRET_KEY": server.secret_key,
    }


@asynccontextmanager
async def open_server(data: Path, **environment: str) -> AsyncIterator[ServerProcess]:
    async with open_server_process(data, environment=environment) as server:
        await server.listening()
        yield server


def files(data: Path) -> list[Path]:
    media = data / "media"
    return [path for path in media.rglob("*") if path.is_file() and path.name != "place"] if media.exists() else []


async def content(size: int, digest: hashlib._Hash | None = None) -> AsyncIterator[bytes]:
    for number in range(size // MEBIBYTE):
        piece = number.to_bytes(4, "big") * (MEBIBYTE // 4)
        if digest is not None:
            digest.update(piece)
        yield piece


async def watch_memory(server: ServerProcess, seen: list[int]) -> None:
    process = psutil.Process(server.process.pid)
    while True:
        seen.append(process.memory_info().rss)
        await trio.sleep(0.02)


async def test_a_large_file_needs_little_memory(tmp_path: Path, place: dict[str, str]) -> None:
    # The S3 server of this test keeps what it gets in memory, and takes its time.
    size = SIZE if "ROOKERY_MEDIA" not in place or LONG else SIZE // 3
    sent, received = hashlib.sha256(), hashlib.sha256()
    async with open_server(tmp_path, **place) as server, server.client() as client:
        with trio.fail_after(BOUND):
            await client.post("/v1/media", content=b"warm up", headers=TYPE)
            seen: list[int] = []
            async with trio.open_nursery() as nursery:
                nursery.start_soon(watch_memory, server, seen)
                answer = await client.post("/v1/media", content=content(size, sent), headers=TYPE, timeout=BOUND)
                assert answer.status_code == 201, answer.text
                async with client.stream("GET", f"/v1/media/{answer.json()['id']}", timeout=BOUND) as download:
                    async for piece in download.aiter_raw():
                        received.update(piece)
                nursery.cancel_scope.cancel()
    assert answer.json()["sha256"] == sent.hexdigest() == received.hexdigest()
    grown = max(seen) - seen[0]
    assert grown < MAY_GROW, f"{grown / MEBIBYTE:.1f} MiB more for a file of {size // MEBIBYTE}"


async def test_killed_in_the_middle_of_an_upload(tmp_path: Path) -> None:
    """Neither a row without bytes nor, once the cleaner was there, bytes without a row."""
    half = trio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        for _ in range(8):
            yield bytes(MEBIBYTE)
        half.set()
        await trio.sleep_forever()

    async def upload(client: httpx.AsyncClient) -> None:
        await client.post("/v1/media", content=slowly(), headers=TYPE, timeout=BOUND)

    with trio.fail_after(BOUND):
        async with open_server(tmp_path) as server, server.client() as client:
            whole = (await client.post("/v1/media", content=b"whole", headers=TYPE)).json()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(upload, client)
                await half.wait()
                while not any(path.stat().st_size >= 6 * MEBIBYTE for path in files(tmp_path)):
                    await trio.sleep(0.01)
                server.send_signal(signal.SIGKILL)
                await server.ended(20)
                nursery.cancel_scope.cancel()
        assert [path for path in files(tmp_path) if path.suffix == ".part"]
        async with open_server(tmp_path, ROOKERY_MEDIA_STRAY_AGE="0.001") as server, server.client() as client:
            assert (await client.get("/v1/media")).json()["media"] == [whole]
            assert (await client.post("/v1/cleaner/check")).status_code == 200
            assert [path for path in files(tmp_path) if path.suffix == ".part"] == []
            assert (await client.get(f"/v1/media/{whole['id']}")).content == b"whole"
