"""PostgreSQL misbehaves: every call ends in time with an error of ours, and afterwards everything works again."""

from __future__ import annotations

import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest
import trio

from rookery.errors import StoreError, StoreUnavailable
from rookery.model.session import Lease, SessionChange
from rookery.store.contract import Store
from rookery.store.postgres.database import appends
from rookery.store.postgres.database import pool as postgres_database
from store.backends import PostgresBackend, run_sql, until_asleep
from store.building import all_events, claim, create_and_claim, event, new_session
from store.postgres_server import PostgresServer, private_server

KILL = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'rookery'"


@pytest.fixture(scope="module")
def own_server() -> Iterator[PostgresServer]:
    """A server that tests may maltreat."""
    with private_server() as server:
        yield server


@pytest.fixture
def own(own_server: PostgresServer) -> PostgresBackend:
    return PostgresBackend(own_server.url, f"rookery_test_{time.monotonic_ns()}")


async def until_it_works(store: Store) -> None:
    """Errors of a store that is away are `StoreUnavailable`, and they pass."""
    with trio.fail_after(30):
        while True:
            try:
                await store.count_sessions()
            except StoreUnavailable:
                await trio.sleep(0.05)
            else:
                return


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
async def test_the_server_is_restarted(own: PostgresBackend, own_server: PostgresServer, how: signal.Signals) -> None:
    store = own.make()
    async with store.open():
        lease = await create_and_claim(store)
        await store.append(lease, [event(1)], "1")
        own_server.stop(how)
        try:
            for call in (
                lambda: store.append(lease, [event(2)], "2"),
                lambda: store.get_session("shop"),
                lambda: store.update_session("shop", SessionChange(command=True), now=1.0),
                lambda: store.renew("one", [lease], now=1.0, ttl=60.0),
            ):
                with pytest.raises(StoreUnavailable), trio.fail_after(30):
                    await call()
        finally:
            own_server.start()
        await until_it_works(store)
        assert await store.append(lease, [event(1), event(2)], "2") == 1


async def test_a_server_that_is_not_there(own: PostgresBackend) -> None:
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        async with own.make(url="postgresql://rookery:hunter2@127.0.0.1:1/postgres").open():
            pass
    with pytest.raises(StoreError, match="no such database") as caught:
        async with own.make(url=own.url.replace("/postgres", "/nowhere")).open():
            pass
    assert "hunter2" not in str(caught.value)


async def test_every_connection_is_killed(own: PostgresBackend) -> None:
    store = own.make()
    async with store.open():
        lease = await create_and_claim(store)
        for round in range(3):
            await trio.to_thread.run_sync(
                run_sql,
                own.url,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'rookery'",
            )
            await until_it_works(store)
            try:
                await store.append(lease, [event(round)], str(round))
            except StoreUnavailable:
                await store.append(lease, [event(round)], str(round))
        assert len(await all_events(store)) == 3


class Proxy:
    """Forwards TCP to the server, or drops all of it once asked to."""

    def __init__(self, target: int) -> None:
        self._target = target
        self.port = 0
        self.swallow = False

    async def serve(self, *, task_status: trio.TaskStatus[None]) -> None:
        async with trio.open_nursery() as nursery:
            listeners = await nursery.start(trio.serve_tcp, self._connection, 0)
            self.port = listeners[0].socket.getsockname()[1]
            task_status.started()

    async def _connection(self, client: trio.SocketStream) -> None:
        try:
            async with await trio.open_tcp_stream("127.0.0.1", self._target) as server, trio.open_nursery() as nursery:
                nursery.start_soon(self._pump, client, server, nursery.cancel_scope)
                await self._pump(server, client, nursery.cancel_scope)
        except OSError:
            pass

    async def _pump(self, source: trio.SocketStream, sink: trio.SocketStream, scope: trio.CancelScope) -> None:
        try:
            async for data in source:
                if not self.swallow:
                    await sink.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        if not self.swallow:
            scope.cancel()


@asynccontextmanager
async def behind_a_proxy(own: PostgresBackend) -> AsyncIterator[tuple[Proxy, str]]:
    port = urlsplit(own.url).port
    assert port is not None
    proxy = Proxy(port)
    async with trio.open_nursery() as nursery:
        await nursery.start(proxy.serve)
        yield proxy, own.url.replace(f":{port}/", f":{proxy.port}/")
        nursery.cancel_scope.cancel()


async def test_a_black_hole_is_noticed_in_time(own: PostgresBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_database, "CONNECT_TIMEOUT", 0.5)
    monkeypatch.setattr(postgres_database, "RELEASE_TIMEOUT", 0.3)
    async with behind_a_proxy(own) as (proxy, url):
        store = own.make(url=url, command_timeout=0.5, pool_size=3)
        async with store.open():
            lease = await create_and_claim(store)
            proxy.swallow = True
            for _ in range(4):
                began = time.monotonic()
                with pytest.raises(StoreUnavailable, match="in time"):
                    await store.append(lease, [event(1)], "1")
                with pytest.raises(StoreUnavailable, match="in time"):
                    await store.get_session("shop")
                assert time.monotonic() - began < 20
            proxy.swallow = False
            await until_it_works(store)
            await store.append(lease, [event(1)], "1")
            proxy.swallow = True
            began = time.monotonic()
        assert time.monotonic() - began < 20  # closing does not hang either


async def test_a_caller_does_not_wait_for_a_black_hole(own: PostgresBackend) -> None:
    async with behind_a_proxy(own) as (proxy, url):
        store = own.make(url=url, command_timeout=30.0)
        async with store.open():
            lease = await create_and_claim(store)
            proxy.swallow = True
            began = time.monotonic()
            with trio.move_on_after(0.2):
                await store.get_session("shop")
            with trio.move_on_after(0.2):
                await store.append(lease, [event(1)], "1")
            assert time.monotonic() - began < 10


async def test_a_frozen_server_is_noticed_in_time(own: PostgresBackend, own_server: PostgresServer) -> None:
    store = own.make(command_timeout=0.3)
    async with store.open():
        lease = await create_and_claim(store)
        own_server.freeze()
        try:
            began = time.monotonic()
            with pytest.raises(StoreUnavailable):
                await store.append(lease, [event(1)], "1")
            assert time.monotonic() - began < 15
        finally:
            own_server.thaw()
        await until_it_works(store)
        assert await store.append(lease, [event(1), event(2)], "2") in (1, 2)  # the first may have happened
        assert len(await all_events(store)) == 2


async def busy_connections(store: Store, count: int, seconds: float) -> None:
    """Occupy `count` connections at once."""

    async def occupy() -> None:
        await store._value("SELECT pg_sleep($1)", seconds)  # type: ignore[attr-defined]

    async with trio.open_nursery() as nursery:
        for _ in range(count):
            nursery.start_soon(occupy)


async def test_an_exhausted_pool_says_so(own: PostgresBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_database, "ACQUIRE_TIMEOUT", 0.1)
    store = own.make(pool_size=2)
    async with store.open():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(busy_connections, store, 2, 60.0)
            await until_asleep(own.url, 2)
            with pytest.raises(StoreUnavailable, match="all 2 database connections are busy"):
                await store.count_sessions()
            nursery.cancel_scope.cancel()
        await until_it_works(store)


async def test_a_database_that_is_read_only(own: PostgresBackend) -> None:
    store = own.make()
    async with store.open():
        await store.create_session(new_session())
        # As after a failover: the same name, now a server that takes no writes.
        await trio.to_thread.run_sync(
            run_sql, own.url, "ALTER ROLE rookery SET default_transaction_read_only = on; " + KILL
        )
        try:
            await until_it_works(store)
            assert (await store.get_session("shop")).id == "shop"
            with pytest.raises(StoreUnavailable, match="read-only"):
                await claim(store)
            with pytest.raises(StoreError, match="read-only"):
                async with own.make().open():
                    pass
        finally:
            url = f"{own.url}?default_transaction_read_only=off"
            undo = "ALTER ROLE rookery RESET default_transaction_read_only; "
            await trio.to_thread.run_sync(run_sql, url, undo + KILL)
        await until_it_works(store)
        await claim(store)


async def test_a_storm_of_cancellations_costs_no_connection(own: PostgresBackend) -> None:
    size = 4
    store = own.make(pool_size=size)
    async with store.open():
        lease = await create_and_claim(store)

        async def attempt(number: int) -> None:
            with trio.move_on_after((number % 40) / 2000):
                if number % 3 == 0:
                    await store.update_session("shop", SessionChange(command=True), now=1.0)
                elif number % 3 == 1:
                    await store.append(lease, [event(number)], str(number))
                else:
                    await busy_connections(store, 1, 0.002)

        with trio.fail_after(60):
            for start in range(0, 800, 40):
                async with trio.open_nursery() as nursery:
                    for number in range(start, start + 40):
                        nursery.start_soon(attempt, number)
        await until_it_works(store)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(busy_connections, store, size, 60.0)
            await until_asleep(own.url, size)  # all of them at once: none was lost
            nursery.cancel_scope.cancel()


async def test_appends_that_fail_together_raise_an_error_of_their_own_each(
    postgres: PostgresBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = postgres.make()
    together: list[int] = []
    errors: list[StoreError] = []

    async def fail(connection: object, database: object, group: list[object]) -> list[int]:
        together.append(len(group))
        raise OSError("cable cut")

    async with store.open():
        leases = [await create_and_claim(store, f"s{number}") for number in range(6)]
        monkeypatch.setattr(appends, "_append", fail)

        async def append(lease: Lease) -> None:
            try:
                await store.append(lease, [event(1)], None)
            except StoreError as error:
                errors.append(error)

        async with trio.open_nursery() as nursery:
            for lease in leases:
                nursery.start_soon(append, lease)
    assert max(together) > 1
    assert len({id(error) for error in errors}) == 6
