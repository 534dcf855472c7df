"""The conversation in which a device is linked; the cryptography is in `pairing`."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable

from ..crypto.pairing import CodePairing, PairingRefused, QrCode, check_device_signature, sign_device
from ..stanza.jid import SERVER
from ..stanza.node import Attrs, Node, node
from .connection import ClientConnection
from .state.accounts import Account, LinkedDevice, Surroundings
from .state.registration import Registration
from .state.world import CodeRequest, World

RESTART = 515  # the code of the stream error that follows each pairing

Done = Callable[["LinkedDevice | PairingRefused"], None]


def scan(world: World, phone: Account, text: str, done: Done) -> None:
    """The phone's camera read `text`: link the device behind it; `done` gets the result."""
    code = QrCode.parse(text)
    connection = world.references.pop(code.reference, None)
    registration = connection.registration if connection else None
    if connection is None or registration is None or registration.identity_public != code.identity_public:
        raise PairingRefused("the code has expired")
    _link(phone, connection, registration, code.secret, done)


def enter_code(world: World, phone: Account, code: str, done: Done) -> None:
    """A pairing code was typed into the phone: answer the newest device that waits for one."""
    request = next((each for each in reversed(list(world.code_requests)) if each.number == phone.number), None)
    if request is None or request.connection.closed.is_set() or request.connection.registration is None:
        raise PairingRefused("no device asks for a code")
    registration = request.connection.registration
    pairing = CodePairing(phone.signal.identity, code, request.wrapped_device_key)

    def on_finish(wrapped_bundle: bytes, identity_public: bytes) -> None:
        try:
            secret = pairing.finish(wrapped_bundle, identity_public)
        except PairingRefused as refusal:
            done(refusal)
        else:
            _link(phone, request.connection, registration, secret, done)

    request.on_finish = on_finish
    content = [
        node("link_code_pairing_wrapped_primary_ephemeral_pub", {}, pairing.wrapped_phone_key),
        node("primary_identity_pub", {}, phone.signal.identity.public),
        node("link_code_pairing_ref", {}, request.reference),
    ]
    attrs: Attrs = {"from": SERVER, "type": "link_code_companion_reg", "id": world.new_id(), "t": world.now()}
    hello = node("link_code_companion_reg", {"stage": "primary_hello"}, content)
    request.connection.post(node("notification", attrs, [hello]))


def on_link_code(world: World, connection: ClientConnection, query: Node) -> None:
    """The device's two messages of pairing by code."""
    message = query.require("link_code_companion_reg")
    number = message.get("jid").partition("@")[0]
    if message.get("stage") == "companion_hello":
        wrapped = message.require("link_code_pairing_wrapped_companion_ephemeral_pub").data
        request = CodeRequest(number, connection, wrapped)
        world.code_requests.add(request)
        reference = node("link_code_pairing_ref", {}, request.reference)
        connection.answer(query, [node("link_code_companion_reg", {"stage": "companion_hello"}, [reference])])
        return
    connection.answer(query)
    reference_bytes = message.require("link_code_pairing_ref").data
    for request in world.code_requests:
        if request.reference == reference_bytes and request.on_finish is not None:
            bundle = message.require("link_code_pairing_wrapped_key_bundle").data
            request.on_finish(bundle, message.require("companion_identity_public").data)


def _ask_for_passkey(world: Surroundings, connection: ClientConnection, *, readable: bool) -> None:
    """Ask the device for the account's passkey, as a browser would prove it. Source: tulir/whatsmeow `pair-passkey.go`."""
    options = {
        "challenge": base64.urlsafe_b64encode(os.urandom(32)).rstrip(b"=").decode(),
        "rpId": "whatsapp.com",
        "timeout": 60_000,
        "userVerification": "required",
        "allowCredentials": [{"id": base64.urlsafe_b64encode(os.urandom(16)).decode(), "type": "public-key"}],
    }
    attrs: Attrs = {"from": SERVER, "type": "passkey_prologue_request", "id": world.new_id(), "t": world.now()}
    request = node("passkey_request_options" if readable else "passkey", {}, json.dumps(options))
    connection.post(node("notification", attrs, [request]))


def _link(phone: Account, connection: ClientConnection, registration: Registration, secret: bytes, done: Done) -> None:
    """Send `pair-success`; the device answers with its own signature and is restarted by stream error 515."""
    if phone.passkey is not None:
        _ask_for_passkey(phone.world, connection, readable=phone.passkey == "asked")
        done(PairingRefused("the device has to prove the account's passkey"))
        return
    number = phone.next_device_number()
    device = LinkedDevice(phone, number, registration)
    identity = sign_device(phone.signal.identity, registration.identity_public, secret, number)

    def on_reply(reply: Node) -> None:
        signed = reply.child("pair-device-sign", "device-identity")
        try:
            if signed is None:
                raise PairingRefused(str(reply))
            check_device_signature(phone.signal.identity, registration.identity_public, signed.data)
        except PairingRefused as refusal:
            done(refusal)
            return
        phone.devices[number] = device
        done(device)
        if phone.world.settings.restart_is_heard:
            connection.farewell(node("stream:error", {"code": RESTART}))

    content = [
        node("device-identity", {}, identity),
        node("device", {"jid": device.jid, "lid": device.lid}),
        node("platform", {"name": phone.platform}),
    ]
    if phone.business_name:
        content.append(node("biz", {"name": phone.business_name}))
    connection.ask(None, [node("pair-success", {}, content)], on_reply)
