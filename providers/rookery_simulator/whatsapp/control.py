"""The control API of `python -m rookery_simulator whatsapp --port 8082`: a test in any language says what people do.

Bodies and answers are JSON: `{"ok": true, "result": ...}`, or `{"ok": false, "error": ...}` with status 400, 404 or 413. A
field that no call knows is an error. There is no authentication. `N` is a phone number of 5 to 15 digits, country code first;
a phone is made when it is first named. `JID` is the address of a group or channel.

| request | body or query | effect |
|---|---|---|
| `GET /control/environment` | | the variables that Rookery needs to reach and trust this server |
| `GET /control/phones` | | all phones |
| `POST /control/phones` | `{"number", "name"?}` | make a phone, or rename it |
| `GET /control/phones/N` | | name, addresses, linked devices, about, picture, block list |
| `POST /control/phones/N/scan` | `{"code"}` | scan a QR code; answers when the device is linked |
| `POST /control/phones/N/enter-code` | `{"code"}` | type a pairing code |
| `POST /control/phones/N/messages` | see below | the phone writes |
| `GET /control/phones/N/messages` | `?after=COUNT&wait=SECONDS` | what it received, decrypted; waits for one, up to 60 s |
| `GET /control/phones/N/sent/ID` | | the receipts for a message that it wrote: `delivered`, `inactive`, `read`, ... |
| `POST /control/phones/N/read` | `{"message_id", "kind"?}` | a receipt for a received message: `read` or `played` |
| `POST /control/phones/N/typing` | `{"to", "state"?, "audio"?}` | `composing` or `paused` |
| `POST /control/phones/N/presence` | `{"to", "online"}` | comes online or leaves |
| `POST /control/phones/N/ring` | `{"to", "video"?}` | calls |
| `POST /control/phones/N/devices` | `{"do", ...}` | what happens to its linked devices, see below |
| `GET`, `POST /control/groups` | `{"name", "members": [N, ...]}` | groups; the first member is the admin |
| `GET`, `POST /control/channels` | `{"name", "owner"?}` | channels |
| `POST /control/channels/JID/posts` | `{"text"}` | a post |
| `POST /control/network` | `{"state"}` | `up`, `down` or `black hole`, for everyone |
| `POST /control/settings` | fields of `Settings` | how the server behaves |

A message is `{"to": N or JID, "type", ...}`: `text` (`text`), `media` (`data` in base64, `kind`, `mimetype`, `caption`,
`name`), `location` (`latitude`, `longitude`, `name`), `contact` (`name`, `number`), `poll` (`question`, `options`); without
`to`: `status` (`text`, `viewers`: numbers), `reply` (`message_id`, `text`), `reaction` (`message_id`, `emoji`) and `vote`
(`message_id`, `options`) to something received, `edit` (`message_id`, `text`) and `revoke` (`message_id`) of something
sent.

Devices: `drop` (cut), `silence` and `speak`, `slow` (`seconds`), `remove` (unlink), `replace`, `ban` (`seconds`), `refuse`
(`reason`, a number of WhatsApp's) and `admit`, `stream_error` (`code`), `send_error` (`code`, such as 463; null takes it
back).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Annotated, Any, TypeVar
from urllib.parse import parse_qsl, unquote

import msgspec
import trio

from ..bot_api.wire.http import BadRequest, Request, RequestReader, answer
from . import acts, answers, bodies
from .crypto.pairing import PairingRefused
from .phone.phone import Phone
from .simulator import Network, WhatsAppSimulator
from .stanza.jid import Jid

PAIRING = 30.0  # seconds
LONGEST_WAIT = 60.0  # seconds
IDLE = 300.0  # seconds that a connection may wait for its next bytes
LINGER = 1.0  # seconds for a client to read our last answer
LARGEST_BODY = 64 * 1024 * 1024  # bytes
CHUNK = 64 * 1024

T = TypeVar("T")

_REFUSALS = {
    400: "this is not an HTTP request",
    413: f"the body is larger than {LARGEST_BODY // 1024 // 1024} MiB",
    431: "the headers are too large",
}
_log = logging.getLogger(__name__)


async def serve(simulator: WhatsAppSimulator, listeners: list[trio.SocketListener]) -> None:
    """Answer calls until cancelled; closes `listeners`."""
    await trio.serve_listeners(partial(_connection, simulator), listeners)


async def _connection(simulator: WhatsAppSimulator, stream: trio.SocketStream) -> None:
    try:
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError):
            await _exchange(simulator, stream)
            # Bytes that are left unread would reset the connection, and its last answer with it.
            with trio.move_on_after(LINGER):
                await stream.send_eof()
                while await stream.receive_some(CHUNK):
                    pass
    finally:
        await trio.aclose_forcefully(stream)


async def _exchange(simulator: WhatsAppSimulator, stream: trio.SocketStream) -> None:
    reader = RequestReader(LARGEST_BODY, trio.current_time)
    while True:
        with trio.fail_after(IDLE):
            data = await stream.receive_some(CHUNK)
        if not data:
            return
        refusal: BadRequest | None = None
        try:
            reader.feed(bytes(data))
        except BadRequest as error:
            refusal = error
        while reader.requests:
            request = reader.requests.popleft()
            await _send(stream, await _answered(simulator, request))
            if not request.keep_alive:
                return
        if refusal is not None:
            await _send(stream, _failed(refusal.status, _REFUSALS[refusal.status], keep_alive=False))
            return
        if reader.wants_continue:
            reader.wants_continue = False
            await _send(stream, b"HTTP/1.1 100 Continue\r\n\r\n")


async def _send(stream: trio.SocketStream, data: bytes) -> None:
    with trio.fail_after(LONGEST_WAIT):
        await stream.send_all(data)


async def _answered(simulator: WhatsAppSimulator, request: Request) -> bytes:
    try:
        query = dict(parse_qsl(request.query.decode()))
        parts = [unquote(part) for part in request.path.decode().strip("/").split("/")]
        result = await _do(simulator, request.method, parts, request.body, query)
    except _NoSuchCall as error:
        return _failed(404, str(error), keep_alive=request.keep_alive)
    except (ValueError, LookupError, PairingRefused, _Late) as error:
        unreadable = isinstance(error, msgspec.DecodeError) and not isinstance(error, msgspec.ValidationError)
        told = f"the body is not JSON: {error}" if unreadable else str(error)
        return _failed(400, told, keep_alive=request.keep_alive)
    except Exception as error:  # a bug of ours; the phones of other tests must stay usable
        _log.exception("the control API failed at %s %s", request.method, request.path)
        return _failed(500, f"a fault of the simulator: {type(error).__name__}: {error}", keep_alive=request.keep_alive)
    document = msgspec.json.encode({"ok": True, "result": result})
    return answer(200, document, keep_alive=request.keep_alive)


def _failed(status: int, error: str, *, keep_alive: bool) -> bytes:
    return answer(status, msgspec.json.encode({"ok": False, "error": error}), keep_alive=keep_alive)


class _NoSuchCall(Exception):
    """The control API has no such call."""


class _Late(Exception):
    """The expected event did not happen in time."""


def _read(body: bytes, kind: type[T]) -> T:
    return msgspec.json.decode(body or b"{}", type=kind)


async def _do(s: WhatsAppSimulator, method: str, parts: list[str], body: bytes, query: Mapping[str, str]) -> Any:
    match method, parts[1:] if parts[0] == "control" else []:
        case "GET", ["environment"]:
            return s.environment()
        case "GET", ["phones"]:
            return [answers.phone(each) for each in s.world.phones.values() if isinstance(each, Phone)]
        case "POST", ["phones"]:
            named = _read(body, bodies.PhoneBody)
            return answers.phone(s.phone(named.number, named.name))
        case _, ["phones", number, *rest]:
            found = await _of_phone(s, method, number, rest, body, query)
            if found is not None:
                return found
        case "GET", ["groups"]:
            return [answers.group(each) for each in s.world.groups.values()]
        case "POST", ["groups"]:
            group = _read(body, bodies.GroupBody)
            members = [s.phone(each) for each in dict.fromkeys(group.members)]
            return answers.group(s.group(group.name, *members))
        case "GET", ["channels"]:
            return [answers.channel(each) for each in s.world.channels.values()]
        case "POST", ["channels"]:
            channel = _read(body, bodies.ChannelBody)
            owner = s.phone(channel.owner) if channel.owner else None
            return answers.channel(s.channel(channel.name, description=channel.description, owner=owner))
        case "POST", ["channels", jid, "posts"]:
            place = s.world.channels.get(Jid.parse(jid))
            if place is None:
                raise LookupError(f"there is no channel {jid!r}")
            return {"message_id": s.post(place, _read(body, bodies.PostBody).text)}
        case "POST", ["network"]:
            s.set_network(Network(_read(body, bodies.NetworkBody).state))
            return {"state": s.network.value}
        case "POST", ["settings"]:
            changes = _read(body, bodies.SettingsBody)
            for name in changes.__struct_fields__:
                if (value := getattr(changes, name)) is not msgspec.UNSET:
                    setattr(s.world.settings, name, value)
            return vars(s.world.settings)
    raise _NoSuchCall(f"there is no call {method} /{'/'.join(parts)}; rookery_simulator.whatsapp.control lists them")


async def _of_phone(
    s: WhatsAppSimulator, method: str, number: str, rest: list[str], body: bytes, query: Mapping[str, str]
) -> Any:
    """The result of a call about one phone, or None when there is no such call."""

    def phone() -> Phone:
        return acts.phone_of(s, number)

    match method, rest:
        case "GET", []:
            return answers.phone(phone())
        case "POST", ["scan" | "enter-code" as way]:
            return await _link(phone(), way, _read(body, bodies.CodeBody).code)
        case "POST", ["messages"]:
            # msgspec types a union for decoders only.
            message: bodies.Message = msgspec.json.decode(body or b"{}", type=bodies.Message)
            return {"message_id": acts.write(s, phone(), message).id}
        case "GET", ["messages"]:
            return await _received(phone(), msgspec.convert(query, _Window, strict=False))
        case "GET", ["sent", id]:
            return [{"kind": each.kind or "delivered", "at": each.at} for each in acts.sent(phone(), id).receipts]
        case "POST", ["read"]:
            receipt = _read(body, bodies.ReadBody)
            phone().mark_read(acts.received(phone(), receipt.message_id), kind=receipt.kind)
            return {}
        case "POST", ["typing"]:
            typing = _read(body, bodies.TypingBody)
            phone().type_to(s.phone(typing.to), typing.state, audio=typing.audio)
            return {}
        case "POST", ["presence"]:
            presence = _read(body, bodies.PresenceBody)
            phone().appear(s.phone(presence.to), online=presence.online)
            return {}
        case "POST", ["ring"]:
            call = _read(body, bodies.RingBody)
            return {"call_id": phone().ring(s.phone(call.to), video=call.video)}
        case "POST", ["devices"]:
            what: bodies.Happening = msgspec.json.decode(body or b"{}", type=bodies.Happening)
            devices = list(phone().devices.values())
            for device in devices:
                acts.happen(device, what)
            return {"devices": len(devices)}
    return None


async def _link(phone: Phone, way: str, code: str) -> dict[str, str]:
    with trio.move_on_after(PAIRING):
        device = await (phone.scan if way == "scan" else phone.enter_code)(code)
        return {"device": str(device.jid)}
    raise _Late(f"the device was not linked within {PAIRING:g} s")


class _Window(msgspec.Struct, forbid_unknown_fields=True):
    """Messages after the first `after`; `wait` seconds for one if there is none yet."""

    after: Annotated[int, msgspec.Meta(ge=0)] = 0
    wait: Annotated[float, msgspec.Meta(ge=0, le=LONGEST_WAIT)] = 0.0


async def _received(phone: Phone, window: _Window) -> dict[str, Any]:
    """The messages, and how many there have been in total: the next `after`."""
    with trio.move_on_after(window.wait):
        await phone.received.wait_until(window.after + 1)
    kept, total = list(phone.received), len(phone.received)
    forgotten = total - len(kept)
    found = kept[max(0, window.after - forgotten) :]
    return {"messages": [answers.message(each) for each in found], "next": total}
