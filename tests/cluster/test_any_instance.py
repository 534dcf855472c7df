"""Any instance answers any call; a call that only the owner can make is passed to the owner."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import msgspec
import pytest
import trio

from rookery import Engine, Event, EventQuery, MessageState, OutboundMessage, Receipt, Session, SessionStatus
from rookery.errors import InvalidInput, NotConnected, NotFound, OwnerUnavailable, Rejected
from rookery.model.event import NewEvent
from rookery.model.instance import Instance
from rookery.model.session import Action, Reason
from rookery.provider.capabilities import MediaSink
from rookery.provider.contract import Inbox
from store.backends import PostgresBackend, run_sql
from support.engines.shared_engines import count_calls, open_shared, running
from support.fake_platform import FakeLink, FakePlatform
from support.waiting import until


class Code(msgspec.Struct):
    kind: str
    code: str
    expires_at: float


class RichLink(FakeLink):
    """Can do everything that is optional."""

    async def probe(self) -> None:
        if self.session.id in self.platform.broken:  # type: ignore[attr-defined]
            raise NotConnected("it does not answer")

    async def logout(self) -> None:
        self.platform.logouts.append(self.session.id)  # type: ignore[attr-defined]

    async def fetch_media(self, event: Event, sink: MediaSink) -> None:
        await sink.write(b"\xff\x00" * 600_000)


class RichPlatform(FakePlatform):
    def __init__(self) -> None:
        super().__init__()
        self.make_link = RichLink
        self.logouts: list[str] = []
        self.broken: set[str] = set()
        self.codes: dict[str, Code] = {}

    def pairing(self, session: str) -> Code | None:
        return self.codes.get(session)

    async def request_pairing_code(self, session: str, phone: str) -> Code:
        if session not in self.codes:
            raise NotConnected(f"the session {session!r} does not wait to be paired")
        if phone == "7":
            raise InvalidInput("phone: too short", field="phone")
        return Code("phone", f"code for {phone}", 99.0)


NEVER_POLLED = pytest.mark.parametrize("pair", [{"cluster_poll_interval": 3600.0}], indirect=True, ids=["never polled"])


@dataclass
class Pair:
    """`owner` runs the session `a` on `platform`; `other` is asked."""

    owner: Engine
    platform: RichPlatform
    other: Engine
    postgres: PostgresBackend


@pytest.fixture
async def pair(postgres: PostgresBackend, request: pytest.FixtureRequest) -> AsyncIterator[Pair]:
    """With `NEVER_POLLED` as its parameter only notifications tell what the other one has done."""
    platform = RichPlatform()
    settings: dict[str, float] = getattr(request, "param", {})
    async with AsyncExitStack() as stack:
        owner = await stack.enter_async_context(open_shared(postgres, platform, "owner", **settings))  # type: ignore[arg-type]
        other = await stack.enter_async_context(
            open_shared(postgres, RichPlatform(), "other", rebalance_batch=0, **settings)  # type: ignore[arg-type]
        )
        await other.drain(0.0)
        await other.create_session(id="a", platform="fake")
        await until(lambda: running(owner) == {"a"})
        await other.wait_status("a", SessionStatus.CONNECTED)
        yield Pair(owner, platform, other, postgres)


async def store_event(pair: Pair, key: str, body: bytes = b"{}") -> None:
    await pair.platform.link().inbox.commit([NewEvent(key, "message", 1.0, "7", "9", body, b"{}")], None)


@NEVER_POLLED
async def test_sends_and_their_receipts(pair: Pair) -> None:
    with trio.fail_after(30):
        receipt = await pair.other.send("a", to="7", text="hello")
    assert receipt.chat == "7"
    assert pair.platform.sent_texts() == ["hello"]
    message = await pair.other.submit("a", to="7", text="again", idempotency_key="k")
    done = await pair.other.wait_message(message.id, 30)
    assert done.state is MessageState.SENT
    assert (await pair.owner.submit("a", to="7", text="again", idempotency_key="k")).id == message.id


async def test_a_refusal_arrives(pair: Pair) -> None:
    async def refuse(link: FakeLink, message: OutboundMessage) -> Receipt:
        raise Rejected("no such chat")

    pair.platform.on_send = refuse
    with pytest.raises(Rejected, match="no such chat"), trio.fail_after(30):
        await pair.other.send("a", to="7", text="hello")


@NEVER_POLLED
async def test_events_are_followed_as_they_come(pair: Pair) -> None:
    seen: list[str] = []

    async def follow() -> None:
        async for event in pair.other.events(after=0, types=["message"]):
            seen.append(event.key)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(follow)
        for number in range(5):
            await store_event(pair, str(number))
            await until(lambda number=number: len(seen) == number + 1, seconds=30)  # type: ignore[misc]
        nursery.cancel_scope.cancel()
    assert seen == ["0", "1", "2", "3", "4"]


async def test_statuses_and_verbs(pair: Pair) -> None:
    assert (await pair.other.get_session("a")).health.status is SessionStatus.CONNECTED
    with trio.fail_after(30):
        await pair.other.restart("a")
        await until(lambda: len(pair.platform.links) == 2)
        await pair.other.stop("a")
        await pair.other.wait_status("a", SessionStatus.DISCONNECTED)
        await until(lambda: not pair.owner.running_here())
        await pair.other.start("a")
        await pair.other.wait_status("a", SessionStatus.CONNECTED)
    assert [session.id for session in await pair.other.list_sessions()] == ["a"]
    assert (await pair.other.health()).sessions == {"fake": {"CONNECTED": 1}}


async def test_logging_out(pair: Pair) -> None:
    session = await pair.other.logout("a")
    assert pair.platform.logouts == ["a"]
    assert not session.enabled
    await until(lambda: not pair.owner.running_here())
    assert (await pair.other.get_session("a")).health.reason is Reason.LOGOUT


async def test_deleting_logs_out_first(pair: Pair) -> None:
    report = await pair.other.delete_session("a")
    assert (report.deleted, report.was_running, report.logged_out, report.detail) == (True, True, True, "deleted")
    assert pair.platform.logouts == ["a"]
    assert pair.platform.open_links == 0
    with pytest.raises(NotFound):
        await pair.other.get_session("a")
    await pair.other.create_session(id="later", platform="fake")
    await pair.other.wait_status("later", SessionStatus.CONNECTED)
    assert [id for _, id in pair.platform.attempts] == ["a", "later"], "the deleted session was not started again"


async def test_pairing(pair: Pair) -> None:
    assert await pair.other.pairing("a") is None

    async def wait(session: Session, inbox: Inbox) -> None:
        pair.platform.codes[session.id] = Code("qr", "scan me", 1e12)
        inbox.report(SessionStatus.QR_REQUIRED, Reason.PAIRING, "scan", action=Action.SCAN_QR, allow=60.0)
        await trio.sleep_forever()

    pair.platform.plan("b", wait)
    await pair.other.create_session(id="b", platform="fake")
    await pair.other.wait_status("b", SessionStatus.QR_REQUIRED)
    code = await pair.other.pairing("b")
    assert code is not None
    assert (code.kind, code.code, code.expires_at) == ("qr", "scan me", 1e12)
    typed = await pair.other.request_pairing_code("b", "491511")
    assert (typed.kind, typed.code) == ("phone", "code for 491511")
    with pytest.raises(InvalidInput, match="too short") as caught:
        await pair.other.request_pairing_code("b", "7")
    assert caught.value.field == "phone"
    with pytest.raises(NotConnected, match="does not wait"):
        await pair.other.request_pairing_code("a", "491511")
    sql = f"SELECT count(*) FROM {pair.postgres.schema}.calls"
    count = await trio.to_thread.run_sync(run_sql, pair.postgres.url, sql)
    assert count == 0, "answers do not stay"


async def test_proof_of_life_and_checks(pair: Pair) -> None:
    await store_event(pair, "1")
    life = await pair.other.find_proof_of_life("a")
    assert life is not None
    assert life.last_inbound is not None
    assert pair.other.proof_of_life("a") is None
    for chosen in (None, ["a"]):
        [result] = await pair.other.check_now(chosen)
        assert (result.session, result.ok) == ("a", True)
    pair.platform.broken.add("a")
    [result] = await pair.other.check_now()
    assert (result.ok, result.error) == (False, "it does not answer")
    with pytest.raises(NotFound):
        await pair.other.check_now(["nobody"])


async def test_files(pair: Pair) -> None:
    await store_event(pair, "1", b'{"media":{"mime_type":"image/png","filename":"a.png","size":5}}')
    await store_event(pair, "2")
    first, second = await pair.other.read_events(EventQuery(types=("message",)))
    media = await pair.other.fetch_media(first.id)
    assert (len(media.data), media.mime_type, media.filename) == (1_200_000, "image/png", "a.png")
    with pytest.raises(NotFound, match="no media"):
        await pair.other.fetch_media(second.id)
    with pytest.raises(Rejected, match="are allowed"):
        await pair.other.fetch_media(first.id, limit=1000)


async def test_an_owner_that_does_not_answer(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has begun with the call and hangs; then it does not even take calls."""

    taken: list[str] = []

    async def hang(id: str) -> None:
        taken.append(id)
        await trio.sleep_forever()

    router = pair.owner._cluster.router  # type: ignore[union-attr]
    router.handle("pairing_code", hang)
    router.handle("logout", lambda session, arguments: hang(session))
    with pytest.raises(OwnerUnavailable, match=r"owner.*may have done it") as caught:
        await pair.other._where_it_runs("a", pair.other._logout_here, None, seconds=0.5)
    assert caught.value.may_have_happened
    looks = count_calls(monkeypatch, pair.owner.store, "take_calls")
    monkeypatch.setattr(router, "_instance", "somebody else")
    router.wake()
    await until(lambda: looks)
    with pytest.raises(OwnerUnavailable, match="has not begun") as caught:
        await pair.other._where_it_runs("a", pair.other._logout_here, None, seconds=0.5)
    assert not caught.value.may_have_happened
    monkeypatch.setattr(router, "_instance", "owner")
    router.wake()
    assert await pair.other.pairing("a") is None, "the owner takes calls again"
    assert taken == ["a"], "a call that was given up does not happen later"
    assert pair.platform.logouts == []


async def test_an_owner_that_is_gone(postgres: PostgresBackend) -> None:
    """Its lease has not ended yet, and it was not heard of for some time."""
    platform = FakePlatform()
    gone = postgres.make()
    async with gone.open(), open_shared(postgres, platform, "one", call_timeout=60.0) as engine:
        await engine.drain(0.0)
        await engine.create_session(id="a", platform="fake")
        assert await gone.claim("gone", limit=1, now=0.0, ttl=60.0)
        started = trio.current_time()
        with pytest.raises(OwnerUnavailable, match="is gone") as caught:
            await engine.logout("a")
        assert not caught.value.may_have_happened
        assert await engine.find_proof_of_life("a") is None
        [result] = await engine.check_now(["a"])
        assert result.ok is None
        assert "is gone" in str(result.error)
        assert trio.current_time() - started < 30.0, "no call waited for the instance that is gone"
        report = await engine.delete_session("a")
        assert (report.deleted, report.logged_out) == (True, False)
        assert "was not logged out" in report.detail


async def test_a_session_that_moves_is_followed(postgres: PostgresBackend) -> None:
    """The row names an instance that lives and does not run it: asked again until it is where it says."""
    platform = RichPlatform()
    before = postgres.make()
    async with (
        before.open(),
        open_shared(postgres, platform, "one") as engine,
        open_shared(postgres, RichPlatform(), "two") as other,
    ):
        await other.drain(0.0)
        await engine.drain(0.0)
        await other.create_session(id="a", platform="fake")
        await before.claim("one", limit=1, now=0.0, ttl=60.0)  # as a claim whose answer was lost
        assert not (await other.logout("a")).enabled  # "one" gives back what it does not run
        assert {one.name for one in await other.instances()} == {"one", "two"}
        await before.beat(Instance(name="three"), ttl=9.0, patience=9.0)
        assert len(await other.instances()) == 3
