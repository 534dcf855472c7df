"""The API as one task in the caller's nursery."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import trio

from rookery import Engine
from rookery.errors import InvalidInput

from .api.state import Api, PlatformInput
from .app import Application, create_app
from .config.load import Config
from .config.settings import ApiSettings, is_loopback
from .server import access_log
from .server.address import Address
from .server.exchange import Scope
from .server.server import open_listeners, serve


async def serve_api(
    engine: Engine,
    settings: ApiSettings | None = None,
    *,
    stop: trio.Event,
    platforms: Mapping[str, PlatformInput] | None = None,
    config: Config | None = None,
    task_status: trio.TaskStatus[tuple[Address, ...]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve the HTTP API of an open engine until `stop` is set, then drain; see `server`.

    Run it inside the block of `open_engine`, so that it is gone before the engine is:

        async with open_engine(...) as engine, trio.open_nursery() as nursery:
            addresses = await nursery.start(partial(serve_api, engine, stop=stop))

    `config` is what a whole server was given: it is shown, with secrets hidden, to administrators.

    Raises:
        InvalidInput: the address is not loopback and there is no key.
        CannotListen: the address is taken or not ours.
    """
    settings = settings or ApiSettings()
    if settings.key is None and not is_loopback(settings.host):
        raise InvalidInput(
            f"refusing to listen on {settings.host} without a key: set ROOKERY_API_KEY, or ROOKERY_HOST=127.0.0.1",
            field="ROOKERY_API_KEY",
        )
    keyed = settings.key is not None

    def describe() -> dict[str, Any]:
        from .description import openapi  # imported on first use: it costs a tenth of the start

        return openapi.describe(platforms, key=keyed, base_path=settings.base_path)

    def describe_streams() -> dict[str, Any]:
        from .description import asyncapi

        return asyncapi.describe_streams(platforms, key=keyed)

    api = Api(
        engine,
        settings,
        stopping=stop,
        platforms=platforms,
        describe=describe,
        describe_streams=describe_streams,
        config=config,
    )
    app = create_app(api)

    def answered(scope: Scope, status: int, seconds: float) -> None:
        api.requests.answered(scope, status, seconds)
        access_log.write(scope, status, seconds)

    listeners = await open_listeners(settings.host, settings.port)
    with api.log_tail.attached():
        await _serve_until(api, app, listeners, answered, task_status)


async def _serve_until(
    api: Api,
    app: Application,
    listeners: list[trio.SocketListener],
    answered: Callable[[Scope, int, float], None],
    task_status: trio.TaskStatus[tuple[Address, ...]],
) -> None:
    settings = api.settings
    async with trio.open_nursery() as nursery:
        nursery.start_soon(api.end_waits)
        await serve(
            app,
            listeners,
            stop=api.stopping,
            drain=settings.drain,
            keep_alive=settings.keep_alive,
            answered=answered,
            task_status=task_status,
        )
        nursery.cancel_scope.cancel()
