"""The simulator's own layers, without the library: stanzas, keys, sessions, tunnels and stubborn clients."""

import os
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from rookery_simulator.whatsapp import Network, WhatsAppSimulator, open_whatsapp_simulator
from rookery_simulator.whatsapp.crypto import curve
from rookery_simulator.whatsapp.crypto.ratchet import Session, UndecryptableMessage
from rookery_simulator.whatsapp.crypto.signal_device import SignalDevice
from rookery_simulator.whatsapp.feed import LIMIT, Feed
from rookery_simulator.whatsapp.server import media
from rookery_simulator.whatsapp.stanza import codec
from rookery_simulator.whatsapp.stanza.jid import Jid
from rookery_simulator.whatsapp.stanza.node import Node
from rookery_simulator.whatsapp.trust import RootKeyNotFound, replace_root_key

texts = st.one_of(
    st.sampled_from(["message", "from", "s.whatsapp.net", "read-self", "", "2:47DEQpj8"]),
    st.text(max_size=300),
    st.from_regex(r"[0-9.\-]{1,40}", fullmatch=True),
    st.from_regex(r"[0-9A-F]{1,40}", fullmatch=True),
)
jids = st.builds(
    Jid,
    st.from_regex(r"[1-9][0-9]{4,14}", fullmatch=True),
    st.sampled_from(["s.whatsapp.net", "lid", "hosted"]),
    st.integers(0, 99),
)
tags = st.sampled_from(["iq", "message", "enc", "unheard-of"])


def nodes(content: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    inner = st.one_of(st.none(), st.binary(max_size=400), st.lists(content, min_size=1, max_size=3))
    return st.builds(Node, tags, st.dictionaries(st.sampled_from(["id", "to", "odd"]), st.one_of(texts, jids)), inner)


leaves = st.builds(Node, tags, st.just({}), st.one_of(st.none(), st.binary(max_size=70_000)))


@settings(deadline=None)
@given(st.recursive(leaves, nodes, max_leaves=8))
def test_every_stanza_survives_the_codec(stanza: Node) -> None:
    assert codec.unpack(codec.pack(stanza)) == stanza


@given(st.binary(max_size=60))
def test_garbage_is_refused_and_nothing_else(data: bytes) -> None:
    with suppress(codec.MalformedNode):
        codec.unpack(data)


def test_signatures_are_checked() -> None:
    key = curve.KeyPair()
    for _ in range(20):
        message = os.urandom(40)
        signature = key.sign(message)
        assert curve.verify(key.public, message, signature)
        assert not curve.verify(key.public, message + b"!", signature)
        assert not curve.verify(curve.KeyPair().public, message, signature)


def test_a_session_survives_loss_disorder_and_repetition() -> None:
    alice, bob = SignalDevice(), SignalDevice()
    to_bob, to_alice = Jid("2", "lid"), Jid("1", "lid")
    first = [alice.encrypt(to_bob, bob.bundle, f"{number}".encode()) for number in range(4)]
    assert [kind for kind, _ in first] == ["pkmsg"] * 4
    for number in (2, 0, 3, 1):
        assert bob.decrypt(to_alice, *first[number]) == f"{number}".encode()
    with pytest.raises(UndecryptableMessage):
        bob.decrypt(to_alice, *first[2])
    for turn in range(10):
        answer = bob.encrypt(to_alice, alice.bundle, b"answer")
        assert answer[0] == "msg"
        assert alice.decrypt(to_bob, *answer) == b"answer"
        lost, kept = (alice.encrypt(to_bob, bob.bundle, text) for text in (b"lost", b"kept"))
        assert bob.decrypt(to_alice, *kept) == b"kept"
        if turn % 2:
            assert bob.decrypt(to_alice, *lost) == b"lost"


def test_a_foreign_message_leaves_the_session_as_it_was() -> None:
    alice, bob, mallory = SignalDevice(), SignalDevice(), SignalDevice()
    hello = alice.encrypt(Jid("2"), bob.bundle, b"hello")
    assert bob.decrypt(Jid("1"), *hello) == b"hello"
    kind, forged = mallory.encrypt(Jid("2"), bob.bundle, b"me too")
    session = Session.begin(mallory.identity, 1, bob.bundle())
    session.introduction = None
    with pytest.raises(UndecryptableMessage):
        bob.decrypt(Jid("1"), *session.encrypt(b"x\x01"))
    # A new session from the same address, as after a reinstallation.
    assert bob.decrypt(Jid("1"), kind, forged) == b"me too"
    assert bob.decrypt(Jid("1"), *alice.encrypt(Jid("2"), bob.bundle, b"again")) == b"again"


def test_group_keys() -> None:
    group, sender = Jid("1203", "g.us"), Jid("1", "lid")
    alice, bob = SignalDevice(), SignalDevice()
    bob.learn_sender_key(group, sender, alice.our_sender_key(group).distribution())
    messages = [alice.encrypt_for_group(group, f"{number}".encode()) for number in range(3)]
    for number in (1, 0, 2):
        assert bob.decrypt_from_group(group, sender, messages[number]) == f"{number}".encode()
    with pytest.raises(UndecryptableMessage):
        bob.decrypt_from_group(group, Jid("3", "lid"), messages[0])


def test_files_are_authenticated() -> None:
    file = media.encrypt("document", b"secret plan")
    assert media.decrypt("document", file.media_key, file.ciphertext) == b"secret plan"
    with pytest.raises(media.MediaCorrupted):
        media.decrypt("document", file.media_key, b"?" + file.ciphertext[1:])


async def test_a_feed_forgets_the_oldest_and_keeps_its_positions() -> None:
    feed: Feed[int] = Feed()
    for number in range(LIMIT + 5):
        feed.add(number)
    assert len(feed) == LIMIT + 5
    assert feed[LIMIT] == LIMIT
    assert feed[0] == 5
    assert await feed.wait_for(start=LIMIT + 4) == LIMIT + 4
    with pytest.raises(IndexError):
        feed[LIMIT + 5]


def test_without_the_library_there_is_no_key_to_replace() -> None:
    with pytest.raises(RootKeyNotFound):
        replace_root_key(bytes(32), library="no-such-library")


@asynccontextmanager
async def tunnel(simulator: WhatsAppSimulator, target: str) -> AsyncIterator[tuple[trio.SocketStream, bytes]]:
    """A connection to the proxy and its answer to CONNECT."""
    stream = await trio.open_tcp_stream("127.0.0.1", int(simulator.proxy_url.rpartition(":")[2]))
    async with stream:
        await stream.send_all(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
        yield stream, bytes(await stream.receive_some())


@asynccontextmanager
async def chat(simulator: WhatsAppSimulator) -> AsyncIterator[trio.SSLStream[trio.SocketStream]]:
    """A TLS connection to the chat server."""
    async with tunnel(simulator, "web.whatsapp.com:443") as (stream, answer):
        assert answer.startswith(b"HTTP/1.1 200")
        context = ssl.create_default_context(cafile=str(simulator.ca_file))
        secure = trio.SSLStream(stream, context, server_hostname="web.whatsapp.com")
        await secure.do_handshake()
        yield secure


async def test_only_known_hosts_are_reached() -> None:
    with trio.fail_after(30):
        async with open_whatsapp_simulator() as simulator:
            async with tunnel(simulator, "example.com:443") as (_, answer):
                assert answer.startswith(b"HTTP/1.1 502")
            simulator.set_network(Network.DOWN)
            with pytest.raises((trio.BrokenResourceError, AssertionError)):
                async with chat(simulator):
                    pass


async def test_stubborn_clients_do_not_delay_the_end() -> None:
    with trio.fail_after(30):
        async with AsyncExitStack() as clients, open_whatsapp_simulator() as simulator:
            port = int(simulator.proxy_url.rpartition(":")[2])
            await clients.enter_async_context(await trio.open_tcp_stream("127.0.0.1", port))  # says nothing
            await clients.enter_async_context(tunnel(simulator, "web.whatsapp.com:443"))  # never begins TLS
            await clients.enter_async_context(chat(simulator))  # never upgrades
            garbage = await clients.enter_async_context(chat(simulator))
            await garbage.send_all(b"\x00" * 4096)
            upgraded = await clients.enter_async_context(chat(simulator))
            await upgraded.send_all(
                b"GET /ws/chat HTTP/1.1\r\nHost: web.whatsapp.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
            )
            assert b"101" in await upgraded.receive_some()
            await upgraded.send_all(b"\x82\x85\0\0\0\0hello")  # a frame that is not WhatsApp's


async def test_the_blocks_own_error_arrives_unwrapped() -> None:
    with pytest.raises(LookupError):
        async with open_whatsapp_simulator():
            raise LookupError
