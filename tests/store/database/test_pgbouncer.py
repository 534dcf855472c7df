"""PgBouncer in transaction mode: it works with `statement_cache_size=0`, and is refused in words without it."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trio

from rookery.errors import LeaseLost, StoreError
from rookery.model.session import Lease
from rookery.store.contract import Store
from store.backends import PostgresBackend
from store.building import all_events, claim, create_and_claim, event, new_session
from store.postgres_server import _user

if shutil.which("pgbouncer") is None:
    pytest.skip("no pgbouncer here", allow_module_level=True)

START_TIMEOUT = 20.0
SERVERS = 2
"""Connections of PgBouncer to the database, fewer than its clients have, so that transactions move between them."""


@pytest.fixture(scope="module")
def pooler(postgres_url: str) -> Iterator[str]:
    """The URL of a PgBouncer in transaction mode before the tests' database."""
    server = urlsplit(postgres_url)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="rookery-pgbouncer-") as directory:
        Path(directory).chmod(0o755)
        settings = Path(directory) / "pgbouncer.ini"
        settings.write_text(
            f"[databases]\npostgres = host={server.hostname} port={server.port} user={server.username}\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n"
            f"pool_mode = transaction\ndefault_pool_size = {SERVERS}\nignore_startup_parameters = extra_float_digits\n"
        )
        process = subprocess.Popen(
            ["pgbouncer", settings], user=_user(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            deadline = time.monotonic() + START_TIMEOUT
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), 1.0).close()
                    break
                except OSError:
                    assert process.poll() is None, "pgbouncer ended"
                    assert time.monotonic() < deadline, "pgbouncer did not start"
                    time.sleep(0.02)
            yield f"postgresql://{server.username}@127.0.0.1:{port}/postgres"
        finally:
            process.terminate()
            process.wait(10)


async def test_two_instances_share_sessions_and_store_events_through_it(pooler: str, postgres: PostgresBackend) -> None:
    url = f"{pooler}?statement_cache_size=0"
    one, two = postgres.make(url=url), postgres.make(url=url)
    with trio.fail_after(60):
        async with one.open(), two.open():
            mine = [await create_and_claim(one, f"mine{number}") for number in range(3)]
            theirs = []
            for number in range(3):
                await one.create_session(new_session(f"theirs{number}"))
                theirs.append(await claim(two, f"theirs{number}", owner="two"))

            async def receive(store: Store, lease: Lease) -> None:
                for key in range(20):
                    await store.append(lease, [event(key)], str(key))

            async with trio.open_nursery() as nursery:
                for lease in mine:
                    nursery.start_soon(receive, one, lease)
                for lease in theirs:
                    nursery.start_soon(receive, two, lease)
            assert len(await all_events(two)) == 120
            for lease in mine:
                await one.release(lease)
            taken = await two.claim("two", limit=10, now=time.time(), ttl=30.0)
            assert {session.id for session in taken} == {lease.session for lease in mine}
            assert {session.cursor for session in taken} == {"19"}
            with pytest.raises(LeaseLost):
                await one.append(mine[0], [event("late")], "20")


async def test_without_its_setting_the_error_names_it(pooler: str, postgres: PostgresBackend) -> None:
    stores = [postgres.make(url=pooler) for _ in range(3)]
    errors: list[str] = []

    async def use(store: Store) -> None:
        try:
            async with store.open():
                for _ in range(20):
                    await store.list_webhooks()
        except StoreError as error:
            errors.append(str(error))

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            for store in stores:
                nursery.start_soon(use, store)
    assert errors
    assert all("statement_cache_size=0" in error for error in errors), errors
