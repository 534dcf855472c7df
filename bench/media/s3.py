"""A large file to S3 and back: Rookery's own client beside boto3 in a thread: `python bench/media/s3.py`.

Both talk to the same S3 server (moto) in a process of its own. Each client runs in a fresh process, so that the growth of
its peak memory is its own; the second of two transfers is measured, without the import of the libraries.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import trio

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

MEBIBYTE = 1024 * 1024
BLOCK = bytes(range(256)) * 4096


def peak() -> int:
    """Peak resident memory of this process in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


async def own(endpoint: str, keys: list[str], bucket: str, size: int, directory: Path) -> tuple[float, float, int]:
    """Seconds up, seconds down, growth of the peak in KiB."""
    from rookery.media.open import storage_from_text
    from rookery.media.spool import open_spool

    storage = storage_from_text(
        f"s3://{bucket}/own",
        endpoint=endpoint,
        region="eu-central-1",
        access_key=keys[0],
        secret_key=keys[1],
        spools=directory,
    )
    async with storage.open():

        async def transfer(size: int) -> tuple[float, float]:
            async with open_spool(directory, size) as spool:
                for _ in range(size // len(BLOCK)):
                    await spool.write(BLOCK)
                await spool.finish()
                started = time.perf_counter()
                await storage.keep("file", spool)
                up = time.perf_counter() - started
            started, read = time.perf_counter(), 0
            async for piece in storage.read("file", 0, size):
                read += len(piece)
            assert read == size
            return up, time.perf_counter() - started

        await transfer(len(BLOCK))
        before = peak()
        up, down = await transfer(size)
        return up, down, peak() - before


async def boto(endpoint: str, keys: list[str], bucket: str, size: int, directory: Path) -> tuple[float, float, int]:
    """The same through boto3's managed transfers, in a thread."""
    import boto3

    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="eu-central-1",
        aws_access_key_id=keys[0],
        aws_secret_access_key=keys[1],
    )
    file = directory / "file"

    async def transfer(size: int) -> tuple[float, float]:
        with file.open("wb") as out:
            for _ in range(size // len(BLOCK)):
                out.write(BLOCK)
        started = time.perf_counter()
        await trio.to_thread.run_sync(client.upload_file, str(file), bucket, "boto/file")
        up = time.perf_counter() - started
        started = time.perf_counter()
        body = (
            await trio.to_thread.run_sync(
                lambda: client.get_object(Bucket=bucket, Key="boto/file", Range=f"bytes=0-{size - 1}")
            )
        )["Body"]
        read = 0
        while piece := await trio.to_thread.run_sync(body.read, 256 * 1024):
            read += len(piece)
        assert read == size
        return up, time.perf_counter() - started

    await transfer(len(BLOCK))
    before = peak()
    up, down = await transfer(size)
    return up, down, peak() - before


@contextmanager
def server() -> Iterator[dict[str, Any]]:
    """moto in a process of its own; ends with the block."""
    with subprocess.Popen(
        [sys.executable, __file__, "--serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.stdin.close()
            process.wait(20)


def serve() -> None:
    """Until standard input ends."""
    from support.s3_server import s3_server

    with s3_server() as running:
        told = {
            "endpoint": running.endpoint,
            "keys": [running.access_key, running.secret_key],
            "bucket": running.bucket(),
        }
        print(json.dumps(told), flush=True)
        sys.stdin.read()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--mebibytes", type=int, default=200)
    options.add_argument("--repeat", type=int, default=3)
    options.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options.add_argument("--client", help=argparse.SUPPRESS)
    options.add_argument("--server", help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.serve:
        serve()
        return
    if given.client:
        told = json.loads(given.server)
        work = own if given.client == "own" else boto
        with tempfile.TemporaryDirectory() as directory:
            figures = trio.run(
                work, told["endpoint"], told["keys"], told["bucket"], given.mebibytes * MEBIBYTE, Path(directory)
            )
        print(json.dumps(figures))
        return
    print(f"{given.mebibytes} MiB        up MiB/s  down MiB/s  peak memory MiB")
    with server() as told:
        for _ in range(given.repeat):
            for name in ("own", "boto3"):
                command = [
                    sys.executable,
                    __file__,
                    "--client",
                    name,
                    "--server",
                    json.dumps(told),
                    "--mebibytes",
                    str(given.mebibytes),
                ]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                if done.returncode:
                    raise SystemExit(done.stderr)
                up, down, grown = json.loads(done.stdout)
                print(f"{name:<12} {given.mebibytes / up:9.0f} {given.mebibytes / down:11.0f} {grown / 1024:16.1f}")


if __name__ == "__main__":
    main()
