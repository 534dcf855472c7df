"""Passes what clients say to the part of the server that answers it."""

from __future__ import annotations

from ..stanza.node import Node
from . import login, queries, routing
from .connection import ClientConnection
from .state.world import World


class Dispatch:
    """The host of every connection; changes only `world`."""

    def __init__(self, world: World) -> None:
        self.authority = world.authority
        self.now = world.now
        self.connection_closed = world.connection_closed
        self._world = world

    def welcome(self, connection: ClientConnection, static: bytes, payload: bytes) -> None:
        """A client has finished its handshake."""
        login.welcome(self._world, connection, static, payload)

    def handle(self, connection: ClientConnection, stanza: Node) -> None:
        """Act on one stanza from a client."""
        if stanza.tag == "iq":
            queries.handle(self._world, connection, stanza)
        elif (device := self._world.devices.get(connection)) is not None:
            routing.handle(self._world, device, stanza)
