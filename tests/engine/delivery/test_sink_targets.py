"""Addresses and targets of sinks: which are accepted, where an event goes, and the errors for the others."""

from __future__ import annotations

import pytest

from rookery.delivery.brokers.target import check_target, fixed_part, parse_address, resolve
from rookery.errors import InvalidInput
from rookery.model.event import Event


def event(session: str = "shop", type: str = "message", chat: str | None = "42") -> Event:
    return Event(7, session, "telegram", type, "1", 0.0, chat, None, {}, None)


@pytest.mark.parametrize(
    ("target", "given", "found"),
    [
        ("rookery.{session}.{type}", event(), "rookery.shop.message"),
        ("rookery.{session}.{type}", event("a.b*c>d", "session.status"), "rookery.a%2Eb%2Ac%3Ed.session.status"),
        ("{platform}.{chat}", event(chat=None), "telegram._"),
        ("{chat}", event(chat="49151@s.whatsapp.net"), "49151@s%2Ewhatsapp%2Enet"),
        ("fixed", event(), "fixed"),
        ("x.{type}", event(type=".."), "x._"),
    ],
)
def test_where_an_event_goes(target: str, given: Event, found: str) -> None:
    assert resolve(target, given) == found


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        ("", "nats"),
        ("a b", "amqp"),
        ("{sesion}", "amqp"),
        ("{session", "redis"),
        ("a.*", "nats"),
        ("a..b", "nats"),
        ("a.>", "nats"),
        ("x" * 256, "redis"),
        ("a\n", "redis"),
    ],
)
def test_targets_that_cannot_be(target: str, kind: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_target(target, kind)
    assert refused.value.field == "target"


@pytest.mark.parametrize(("target", "head"), [("a.b.{type}", "a.b"), ("{type}", ""), ("a.b", "a.b"), ("ab{type}", "")])
def test_the_fixed_part(target: str, head: str) -> None:
    assert fixed_part(target) == head


def test_an_address() -> None:
    address = parse_address("amqps://me:p%40ss%2F@broker.example/v%2Fhost?exchange=chats&mandatory=true")
    assert (address.kind, address.host, address.port, address.encrypted) == ("amqp", "broker.example", 5671, True)
    assert (address.user, address.password, address.path) == ("me", "p@ss/", "v/host")
    assert "p@ss" not in repr(address)
    assert not parse_address("nats://h?create=false").may_create
    assert parse_address("redis://[::1]:1/3?maxlen=5").host == "::1"


@pytest.mark.parametrize(
    "url",
    [
        "http://h",
        "nats://",
        "nats://h:0",
        "nats://h:99999",
        "nats://[::1",
        "nats://h/path",
        "redis://h/name",
        "redis://h?maxlen=0",
        "redis://h?maxlen=x",
        "amqp://h?create=perhaps",
        "nats://h?unknown=1",
        "amqp://h#f",
        "amqp://u:hunter2@[",
        "amqp://u:1234/hunter2@h/vhost",
        "amqp://u:1234?hunter2@h",
        "amqp://u:1234?hunter2=@h",
        "nats://h?create=true&create=false",
        "redis://h?maxlen=9999999999999999999",
        "redis://h/%C2%B2",
        "redis://h/99999999999999999999",
    ],
)
def test_addresses_that_cannot_be(url: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_address(url)
    assert "hunter2" not in str(refused.value)
