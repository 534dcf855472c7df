"""Small consumers, written from the public documentation of other gateways, are fed by Rookery unchanged."""

from __future__ import annotations

import io
import json
from base64 import b64decode
from typing import Any

import httpx
import msgspec
import pytest
import trio
import zxingcpp
from PIL import Image
from trio.testing import MockClock

from rookery.model.event import NewEvent
from rookery.model.message import MessageState
from rookery.model.session import Action, PairingCode, Reason, SessionStatus
from support.answered_posts import answer_posts
from support.fake_platform import EPOCH, FakePlatform, add, connected, open_fake_engine, wall_clock
from support.waiting import until

CARD = "4915100000002@c.us: BEGIN:VCARD"
PLACE = "4915100000002@c.us: Berlin 52.5,13.4 "
CHAT = "4915100000002@s.whatsapp.net"


class WahaConsumer:
    """As in WAHA's guide for webhooks: looks at `event`, then at `payload`."""

    def __init__(self) -> None:
        self.chat: list[str] = []
        self.own: list[str] = []
        self.acks: dict[str, str] = {}
        self.states: list[str] = []

    def on_webhook(self, data: dict[str, Any]) -> None:
        assert data["session"] == "a"
        payload = data["payload"]
        if data["event"] == "message":
            assert not payload["fromMe"], "a bot answers every `message`"
            text = f"[{payload['media']['mimetype']}] " if payload["hasMedia"] and not payload["media"]["error"] else ""
            if place := payload["location"]:
                text += f"{place['description']} {place['latitude']:.1f},{place['longitude']:.1f} "
            text += "".join(payload["vCards"])
            self.chat.append(f"{payload['from']}: {text}{payload['body']}")
        elif data["event"] == "message.any":
            self.own.append(payload["body"])
        elif data["event"] == "message.ack":
            self.acks[payload["id"]] = payload["ackName"]
        elif data["event"] == "session.status":
            self.states.append(payload["status"])
        else:
            raise AssertionError(data["event"])


class EvolutionConsumer:
    """As bots for Evolution API are written: looks at `event`, then at `data`."""

    def __init__(self) -> None:
        self.chat: list[str] = []
        self.acks: dict[str, str] = {}
        self.states: list[str] = []
        self.codes: list[str] = []
        self.pictures: list[str] = []

    def on_webhook(self, body: dict[str, Any]) -> None:
        assert body["instance"] == "a"
        data = body["data"]
        match body["event"]:
            case "messages.upsert":
                if data["key"]["fromMe"]:
                    return
                message = data["message"]
                text = message.get("conversation") or message[data["messageType"]].get("caption")
                if card := message.get("contactMessage"):
                    text = card["displayName"]
                if place := message.get("locationMessage"):
                    text = f"{place['name']} {place['degreesLatitude']} {place['degreesLongitude']}"
                number = data["key"]["remoteJid"].split("@")[0]
                self.chat.append(f"{data['pushName']} {number} {data['messageType']}: {text}")
            case "messages.update":
                self.acks[data["keyId"]] = data["status"]
            case "connection.update":
                self.states.append(data["state"])
            case "qrcode.updated":
                self.codes.append(data["qrcode"]["code"])
                self.pictures.append(data["qrcode"]["base64"])
            case other:
                raise AssertionError(other)


def message(key: str, **body: Any) -> NewEvent:
    content = {"message_id": key, "kind": "text", "text": "hi", "sender_name": "Ann", "chat_type": "private"} | body
    return NewEvent(key, "message", EPOCH, CHAT, CHAT, msgspec.json.encode(content), b"{}")


async def feed(form: str, consumer: WahaConsumer | EvolutionConsumer, monkeypatch: pytest.MonkeyPatch) -> str:
    """A session that pairs, receives a text, a picture and something odd, and sends; returns the send's platform id."""

    async def take(request: httpx.Request) -> httpx.Response:
        await trio.lowlevel.checkpoint()
        consumer.on_webhook(json.loads(request.content))
        return httpx.Response(200)

    answer_posts(monkeypatch, take)
    platform = FakePlatform()
    async with open_fake_engine(platform) as engine:
        await engine.create_webhook(id="w", url="http://old.example/in", format=form)
        await add(engine)
        await connected(engine)
        inbox = platform.link().inbox
        code = PairingCode("qr", "2@code", wall_clock() + 60, 1)
        inbox.report(SessionStatus.QR_REQUIRED, Reason.PAIRING, "scan", action=Action.SCAN_QR, code=code)
        inbox.report(SessionStatus.CONNECTED, Reason.CONNECTED, "connected")
        media = {"mime_type": "image/png", "filename": "a.png"}
        odd = NewEvent("odd", "presence", EPOCH, CHAT, CHAT, b"{}", b"{}")
        await inbox.commit(
            [
                message("m1"),
                message("m2", kind="image", text="look", media=media),
                odd,
                message("m5", kind="contact", text="", contacts=[{"name": "Bob", "vcard": "BEGIN:VCARD"}]),
                message("m3", text="from the phone", from_me=True),
                message(
                    "m4", kind="location", text="", location={"latitude": 52.5, "longitude": 13.4, "name": "Berlin"}
                ),
            ],
            None,
        )
        receipt = await engine.send("a", to=CHAT, text="hello")
        await inbox.confirm([receipt.message_id], MessageState.READ)
        await until(lambda: "READ" in consumer.acks.values())
        assert (await engine.webhook_facts())["w"].failed == 0
        return receipt.message_id


async def test_a_consumer_for_waha(autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    consumer = WahaConsumer()
    id = await feed("waha", consumer, monkeypatch)
    assert consumer.chat == ["4915100000002@c.us: hi", "4915100000002@c.us: [image/png] look", CARD, PLACE]
    assert consumer.own == ["from the phone"]
    assert consumer.acks == {f"true_4915100000002@c.us_{id}": "READ"}
    assert consumer.states[:4] == ["STARTING", "WORKING", "SCAN_QR_CODE", "WORKING"]


async def test_a_consumer_for_evolution(autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    consumer = EvolutionConsumer()
    id = await feed("evolution", consumer, monkeypatch)
    assert consumer.chat == [
        "Ann 4915100000002 conversation: hi",
        "Ann 4915100000002 imageMessage: look",
        "Ann 4915100000002 contactMessage: Bob",
        "Ann 4915100000002 locationMessage: Berlin 52.5 13.4",
    ]
    assert consumer.acks == {id: "READ"}
    assert consumer.states[:4] == ["connecting", "open", "connecting", "open"]
    assert consumer.codes == ["2@code"]
    [picture] = consumer.pictures
    assert [read.text for read in zxingcpp.read_barcodes(Image.open(io.BytesIO(b64decode(picture.split(",")[1]))))] == [
        "2@code"
    ]
