"""The server's first stanza: refs for a device that wants to pair, success or failure for a paired one."""

from __future__ import annotations

import secrets
from typing import Any

from ..stanza import protobufs
from ..stanza.jid import SERVER
from ..stanza.node import node
from .connection import ClientConnection
from .state.accounts import LinkedDevice
from .state.registration import Refusal, Registration
from .state.world import World

UNKNOWN_DEVICE = 401  # the reason with which a client forgets its device


def welcome(world: World, connection: ClientConnection, static: bytes, payload: bytes) -> None:
    """Decide what to send to a client that has finished its handshake."""
    hello = protobufs.handshake().ClientPayload.FromString(payload)
    if world.refusal is not None:
        _refuse(connection, world.refusal)
    elif hello.HasField("devicePairingData"):
        connection.registration = _registration(static, hello.devicePairingData)
        offer_references(world, connection)
    else:
        _log_in(world, connection, static, str(hello.username), hello.device)


def _registration(static: bytes, data: Any) -> Registration:
    properties = protobufs.load("waCompanionReg", "WAWebProtobufsCompanionReg").DeviceProps.FromString(data.deviceProps)
    return Registration(
        static,
        bytes(data.eIdent),
        int.from_bytes(data.eRegid),
        int.from_bytes(data.eSkeyID),
        bytes(data.eSkeyVal),
        bytes(data.eSkeySig),
        str(properties.os),
        bool(properties.requireFullSync),
    )


def offer_references(world: World, connection: ClientConnection) -> None:
    """Send `pair-device`: each reference becomes one QR code, the first for 60 s, the others for 20 s."""
    references = [f"2@{secrets.token_urlsafe(60)}" for _ in range(world.settings.qr_codes)]
    for reference in references:
        world.references[reference] = connection
    content = [node("pair-device", {}, [node("ref", {}, reference) for reference in references])]
    connection.ask("md", content, lambda _: None)


def _log_in(world: World, connection: ClientConnection, static: bytes, number: str, device_number: int) -> None:
    phone = world.phones.get(number)
    device = phone.devices.get(device_number) if phone else None
    if device is None or device.registration.noise_public != static:
        _refuse(connection, Refusal(UNKNOWN_DEVICE))
    elif device.refusal is not None:
        _refuse(connection, device.refusal)
    elif device.ignore_logins:
        connection.silent = True
    else:
        _admit(world, connection, device)


def _admit(world: World, connection: ClientConnection, device: LinkedDevice) -> None:
    if device.connection is not None:
        device.replace()
    world.devices[connection] = device
    device.connected(connection)
    connection.post(node("success", {"t": world.now(), "lid": device.lid, "location": "sim", "props": "0"}))


def _refuse(connection: ClientConnection, refusal: Refusal) -> None:
    connection.farewell(node("failure", {"from": SERVER, "reason": refusal.reason, **refusal.details}))
