"""Opens and closes the simulator: the entry point for tests, demos and benchmarks."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from enum import Enum
from functools import partial
from pathlib import Path

import trio

from .phone.phone import Phone
from .server import channels, groups
from .server.connection import ClientConnection
from .server.dispatch import Dispatch
from .server.media import serve_media
from .server.proxy import CHAT_HOST, Certificates, serve_tunnel
from .server.state.channel import SERVER, Channel
from .server.state.group import Group
from .server.state.world import World
from .stanza.jid import Jid
from .trusting_worker import KEY_VARIABLE

BACKLOG = 512  # connections that may wait to be accepted


class Network(Enum):
    """The state of the network between the clients and the server."""

    UP = "up"
    DOWN = "down"  # connections are refused and cut
    BLACK_HOLE = "black hole"  # connections stay open and nothing comes back


class WhatsAppSimulator:
    """A running simulator; made by `open_whatsapp_simulator`."""

    def __init__(self, world: World, port: int, ca_file: Path) -> None:
        self.world = world
        self.proxy_url = f"http://127.0.0.1:{port}"
        self.ca_file = ca_file
        self.noise_root_public_key = world.authority.root_public_key
        self.network = Network.UP
        self._phones: dict[str, Phone] = {}
        self._network_changed = trio.Event()

    def environment(self) -> dict[str, str]:
        """The environment variables with which a worker process reaches and trusts this server.

        `HTTPS_PROXY` serves sessions without a proxy of their own; the key is for `trusting_worker`.
        """
        return {
            "SSL_CERT_FILE": str(self.ca_file),
            "HTTPS_PROXY": self.proxy_url,
            KEY_VARIABLE: self.noise_root_public_key.hex(),
        }

    def phone(self, number: str, name: str | None = None) -> Phone:
        """The phone with this number (digits, country code first); made on first use, with a name of its own."""
        if not number.isdecimal():
            raise ValueError(f"a phone number is digits only: {number!r}")
        if number not in self._phones:
            phone = Phone(self.world, number, self.world.hidden(number), name or f"User {number}")
            self._phones[number] = self.world.phones[number] = phone
        elif name is not None:
            self._phones[number].name = name
        return self._phones[number]

    def group(self, subject: str, *members: Phone) -> Group:
        """A new group; the first member is its admin."""
        return groups.create(self.world, subject, list(members))

    def channel(self, name: str, *, description: str = "", owner: Phone | None = None) -> Channel:
        """A new channel, which only its owner follows."""
        jid = Jid(f"12036{len(self.world.channels):013d}", SERVER)
        made = Channel(jid, name, description, self.world.now(), owner.number if owner else "")
        self.world.channels[jid] = made
        return made

    def post(self, channel: Channel, text: str) -> str:
        """Write a post in a channel; the devices of its followers get it. Returns its id."""
        return channels.post(self.world, channel, text)

    @property
    def connections(self) -> frozenset[ClientConnection]:
        return frozenset(self.world.connections)

    def set_network(self, state: Network) -> None:
        """Break or mend the network for everyone.

        Data swallowed by a black hole stays lost; new connections wait in it, and are cut when it ends.
        """
        self.network = state
        self._network_changed.set()
        self._network_changed = trio.Event()
        for connection in self.connections:
            if state is Network.DOWN:
                connection.drop()
            else:
                connection.silent = state is Network.BLACK_HOLE

    async def wait_network_changed(self) -> None:
        """Wait for the next call of `set_network`."""
        await self._network_changed.wait()


@asynccontextmanager
async def open_whatsapp_simulator() -> AsyncIterator[WhatsAppSimulator]:
    """Serve a simulated WhatsApp on a free port of 127.0.0.1 until the block ends, without waiting for clients.

    An error inside the block arrives as it is. A bug in the simulator cancels the block and arrives instead.
    """
    world = World()
    dispatch = Dispatch(world)
    certificates = Certificates()
    with tempfile.TemporaryDirectory(prefix="rookery-simulator-") as folder:
        ca_file = Path(folder) / "ca.pem"
        certificates.write_authority(ca_file)
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1", backlog=BACKLOG)
        simulator = WhatsAppSimulator(world, listeners[0].socket.getsockname()[1], ca_file)

        async def handle(host: str, stream: trio.abc.Stream) -> None:
            if host != CHAT_HOST:
                await serve_media(world.media, stream)
                return
            connection = ClientConnection(dispatch, stream)
            world.connections.add(connection)
            await connection.run()

        async def accept(stream: trio.SocketStream) -> None:
            if simulator.network is Network.BLACK_HOLE:
                await simulator.wait_network_changed()
            elif simulator.network is Network.UP:
                await serve_tunnel(stream, certificates.context, handle)

        async def serve() -> None:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(world.keep_agenda)
                nursery.start_soon(partial(trio.serve_listeners, accept, listeners))

        async with _background(serve):
            yield simulator


@asynccontextmanager
async def _background(service: Callable[[], Awaitable[object]]) -> AsyncIterator[None]:
    """Run `service` beside the block and cancel it afterwards; the block's own error is not wrapped in a group."""
    failure: BaseException | None = None
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(service)
            try:
                yield
            except Exception as error:
                failure = error
            nursery.cancel_scope.cancel()
    except* Exception:
        if failure is None:
            raise
    if failure is not None:
        raise failure
