"""Large and unfinished bodies: their bounded cost in event loop time and memory."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import httpx
import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from rookery_http.input import documents
from rookery_http.input.body_budget import FREE, BodyBudget
from rookery_http.input.documents import INLINE, MAX_VALUES, Documents, read_json, size_without_data
from rookery_http.output.problems import Problem
from support.waiting import until_found

JSON = {"Content-Type": "application/json"}
SEND = "/v1/sessions/polly/messages"


@asynccontextmanager
async def watched_loop() -> AsyncIterator[list[float]]:
    """Seconds between two turns of the event loop, as long as it is watched."""
    gaps: list[float] = []

    async def watch() -> None:
        before = trio.current_time()
        while True:
            await trio.sleep(0.002)
            now = trio.current_time()
            gaps.append(now - before)
            before = now

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch)
        yield gaps
        nursery.cancel_scope.cancel()


def objects(size: int) -> bytes:
    return b'{"to": "7", "text": "x", "options": {"a": [' + b"{}," * (size // 3) + b"{}]}}"


async def test_documents_of_many_objects_do_not_hold_the_loop(served: Any) -> None:
    await served.add()
    body = objects(15_000_000)
    statuses = []
    async with watched_loop() as gaps:

        async def post() -> None:
            async with httpx.AsyncClient(base_url=served.url, trust_env=False, timeout=60) as client:
                answer = await client.post(SEND, content=body, headers=JSON)
                statuses.append((answer.status_code, answer.json()["type"].rpartition(":")[2]))

        async with trio.open_nursery() as nursery:
            for _ in range(12):
                nursery.start_soon(post)
    assert set(statuses) <= {(413, "too-large"), (503, "too-many-bytes")}
    assert (413, "too-large") in statuses
    assert max(gaps, default=0.0) < 1.0, "parsing one such body takes two seconds and more"


@pytest.mark.parametrize("filler", [b"{},", b"0,", b'"",', b'{"a":0},', b"[[],[]],"])
async def test_documents_below_the_limit_have_a_limit_of_values(served: Any, filler: Any) -> None:
    await served.add()
    body = b'{"to": "7", "text": "x", "options": {"a": [' + filler * (250_000 // len(filler)) + b"0]}}"
    async with watched_loop() as gaps:
        answer = await served.client.post(SEND, content=body, headers=JSON)
    assert answer.status_code == 400
    assert str(MAX_VALUES) in answer.json()["detail"] or "options" in answer.json()["detail"]
    assert max(gaps, default=0.0) < 0.5


@pytest.mark.parametrize("value", [b"0", b'""', b"{}", b'{"a":0}', b"[[]]"])
def test_the_number_of_values_is_limited(value: bytes) -> None:
    assert len(read_json(b"[" + b",".join([value] * (MAX_VALUES // 4)) + b"]", list)) == MAX_VALUES // 4
    with pytest.raises(Problem, match=f"more than {MAX_VALUES} values"):
        read_json(b"[" + b",".join([value] * (MAX_VALUES + 2)) + b"]", list)


async def test_all_but_small_documents_are_decoded_beside_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []

    def read(body: bytes, shape: type[Any]) -> Any:
        threads.append(threading.get_ident())
        return read_json(body, shape)

    monkeypatch.setattr(documents, "read_json", read)
    for size in (INLINE, INLINE + 1):
        body = b'["' + b"x" * (size - 4) + b'"]'
        assert len(await Documents().read(body, list, caller="one", most=size)) == 1
    assert threads[0] == threading.get_ident() != threads[1]


async def test_a_large_file_in_data_is_sent(served: Any) -> None:
    await served.add()
    content = base64.b64encode(b"\0" * 9_000_000).decode()
    document = {"to": "7", "type": "document", "filename": "a.bin", "mime_type": "application/x-bin", "data": content}
    async with watched_loop() as gaps:
        answer = await served.client.post(SEND, json=document, timeout=60)
    assert answer.status_code == 200, answer.text
    assert max(gaps, default=0.0) < 1.0


@pytest.mark.parametrize("depth", [64, 65, 5000, 100_000])
def test_depth(depth: Any) -> None:
    body = b"[" * depth + b"]" * depth
    if depth <= 64:
        assert read_json(body, list)
    else:
        with pytest.raises(Problem, match=r"nested deeper than 64 levels|more than 50000 values"):
            read_json(body, list)


TEXTS = st.text(max_size=20) | st.sampled_from(['"', "\\", '\\"', '":"', "{,[:", '\\\\"', "\u2028", '"data"'])
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXTS, inner, max_size=5),
    max_leaves=30,
)


def has_nul(text: str) -> bool:
    return "\\u0000" in text.replace("\\\\", "")


@given(st.dictionaries(TEXTS, DOCUMENTS, max_size=6), st.booleans())
def test_what_json_writes_is_read_back(document: Any, ascii: Any) -> None:
    text = json.dumps(document, ensure_ascii=ascii)
    try:
        body = text.encode()
    except UnicodeEncodeError:
        return
    if has_nul(text):
        with pytest.raises(Problem, match="U\\+0000"):
            read_json(body, dict)
        return
    assert read_json(body, dict) == document
    assert read_json(bytearray(body), dict) == document


@given(TEXTS, DOCUMENTS, DOCUMENTS, DOCUMENTS)
def test_a_repeated_name_is_found_wherever_it_stands(name: Any, one: Any, two: Any, other: Any) -> None:
    pair = f"{json.dumps(name)}: {json.dumps(one)}, {json.dumps(name)}: {json.dumps(two)}"
    body = f'{{"before": {json.dumps(other)}, "inner": [{{{pair}}}]}}'.encode()
    if not has_nul(body.decode()):
        with pytest.raises(Problem, match="twice"):
            read_json(body, dict)


@pytest.mark.parametrize(
    ("body", "size"),
    [
        (b'{"data": "' + b"A" * 1000 + b'"}', 12),
        (b'{"data"  :\n"' + b"A" * 1000 + b'", "media": "' + b"B" * 1000 + b'"}', 1027),
        (b'{"data": ["' + b"A" * 1000 + b'"]}', 1014),
        (b'{"x": "data", "data": "' + b"A" * 1000 + b'"}', 25),
        (b'{"data": "' + b"A" * 1000, 1010),
        (b'{"data": 5, "text": "' + b"A" * 1000 + b'"}', 1023),
    ],
)
def test_size_without_data(body: Any, size: Any) -> None:
    assert size_without_data(body, 1) == size


async def test_a_key_decodes_one_large_document_at_a_time() -> None:
    """Others do not stand in its queue."""
    reader = Documents()
    body = b'["' + b"x" * INLINE + b'"]'

    decoded: list[str] = []

    async def decode(caller: str) -> None:
        await reader.read(body, list, caller=caller, most=len(body))
        decoded.append(caller)

    with trio.fail_after(20):
        async with trio.open_nursery() as nursery, reader._turn("greedy"):
            await decode("another")
            nursery.start_soon(decode, "greedy")
            await trio.testing.wait_all_tasks_blocked()
            assert [users for _, users in reader._turns.values()] == [2]
            await decode("another")  # there is one thread, so it would come after the other document
            assert decoded == ["another", "another"]
    assert not reader._turns


def test_the_budget_is_shared_and_given_back() -> None:
    budget = BodyBudget(1_000_000, 600_000)
    with budget.hold("a") as first, budget.hold("b") as second, budget.hold("a") as third:
        first.grow_to(FREE + 500_000)
        with pytest.raises(Problem, match="of this key"):
            third.grow_to(FREE + 200_000)
        with pytest.raises(Problem, match="ROOKERY_BODY_MEMORY"):
            second.grow_to(FREE + 550_000)
        second.grow_to(FREE + 500_000)
        third.grow_to(FREE)
        assert budget.used == 1_000_000
    assert budget.used == 0
    assert not budget._by_caller


@contextmanager
def memory_growth() -> Iterator[list[int]]:
    import psutil

    process = psutil.Process()
    before, result = process.memory_info().rss, []  # type: ignore[var-annotated]
    yield result
    result.append(process.memory_info().rss - before)


async def test_unfinished_bodies_do_not_add_up(serve: Any) -> None:
    """60 clients with 4 MB each that do not come to an end: the first ones are held, the others refused."""
    mebibyte = 1024 * 1024
    async with serve(max_body=4 * mebibyte, body_memory=32 * mebibyte) as served:
        await served.add()
        head = (
            f"POST {SEND} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Content-Length: {4 * mebibyte}\r\n\r\n"
        ).encode()
        unfinished = b" " * (4 * mebibyte - 10)
        refused = 0
        async with trio.open_nursery() as nursery:
            sent = trio.Event()

            async def client() -> None:
                nonlocal refused
                async with await trio.open_tcp_stream("127.0.0.1", served.port) as stream:
                    try:
                        await stream.send_all(head)
                        await stream.send_all(unfinished)
                        answer = await stream.receive_some()
                        refused += b" 503 " in answer and b"too-many-bytes" in answer
                    except trio.BrokenResourceError:
                        refused += 1
                    if refused == 56:
                        sent.set()

            with memory_growth() as growth:
                for _ in range(60):
                    nursery.start_soon(client)
                with trio.fail_after(30):
                    await sent.wait()
            assert growth[0] < 100 * mebibyte
            assert (await served.client.post(SEND, json={"to": "7", "text": "hi"})).status_code == 200
            nursery.cancel_scope.cancel()
        document = {"to": "7", "type": "document", "filename": "a", "data": "A" * 3 * mebibyte}
        # Until then the server has not noticed that the clients are gone.
        await until_found(
            lambda: served.client.post(SEND, json=document), lambda answer: answer.status_code == 200, seconds=20
        )
