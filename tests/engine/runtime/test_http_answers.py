"""HTTP responses, split at every byte."""

from __future__ import annotations

import gzip
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from rookery.runtime.http_answer import MAX_HEADERS, AnswerReader, BadAnswer, HttpAnswer
from support.storage import LONG

BENCH = Path(__file__).parents[3] / "bench"
INTERIM = (
    b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 102 Processing\r\nX: 1\r\n\r\n",
)
PACKED = gzip.compress(b"hello", mtime=0)
ANSWERS = {
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nTrailer: 1\r\n\r\n",
    "http 1.0": b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "http 1.0 closed": b"HTTP/1.0 200 OK\r\n\r\nhello",
    "closed": b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\nhello",
    "closed without headers": b"HTTP/1.1 200 OK\r\n\r\nhello",
    "gzip": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b" % (len(PACKED), PACKED),
    "deflate closed": b"HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\n\r\n" + zlib.compress(b"hello"),
}
KEPT = ("length", "chunked", "gzip")


def read(*pieces: bytes, limit: int = 1000, cut: bool = False) -> HttpAnswer:
    reader = AnswerReader(limit, cut)
    for piece in pieces:
        if reader.enough:
            break
        reader.feed(piece)
    reader.end()
    return reader.answer


@pytest.mark.parametrize("interims", range(4))
@pytest.mark.parametrize("name", ANSWERS)
def test_every_split_of_every_answer_reads_the_same(name: str, interims: int) -> None:
    data = b"".join(INTERIM[:interims]) + ANSWERS[name]
    for at in range(len(data) + 1):
        answer = read(*filter(None, (data[:at], data[at:])))
        assert (answer.status, answer.body) == (200, b"hello"), at
        assert answer.keep_alive == (name in KEPT), at
    answer = read(*(data[at : at + 1] for at in range(len(data))))
    assert (answer.status, answer.body) == (200, b"hello")


@pytest.mark.parametrize("status", [204, 304])
def test_answers_without_a_body(status: int) -> None:
    assert read(b"HTTP/1.1 %d X\r\n\r\n" % status).status == status


@pytest.mark.parametrize("name", ["length", "chunked", "gzip"])
def test_an_answer_that_is_cut_short_is_none(name: str) -> None:
    for at in range(len(ANSWERS[name])):
        with pytest.raises(BadAnswer):
            read(*filter(None, (ANSWERS[name][:at],)))


def test_interim_answers_without_end_are_refused() -> None:
    with pytest.raises(BadAnswer, match="headers"):
        read(*[INTERIM[0]] * (MAX_HEADERS // len(INTERIM[0]) + 1))
    with pytest.raises(BadAnswer, match="headers"):
        read(b"HTTP/1.1 103 X\r\n", *[b"X: " + b"y" * 1000] * 100)


def test_a_change_of_protocol_is_refused() -> None:
    with pytest.raises(BadAnswer, match="protocol"):
        read(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")


def test_a_body_beyond_the_limit() -> None:
    data = b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + b"x" * 1500
    with pytest.raises(BadAnswer, match="large"):
        read(data)
    answer = read(data, cut=True)
    assert answer.too_large
    assert answer.body == b"x" * 1000
    assert not answer.keep_alive


def test_a_small_body_that_unpacks_to_a_large_one() -> None:
    packed = gzip.compress(b"x" * 1_000_000)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    with pytest.raises(BadAnswer, match="large"):
        read(head + packed, limit=10_000)
    assert read(head + packed, limit=10_000, cut=True).body == b"x" * 10_000


def test_an_encoding_that_the_body_does_not_have() -> None:
    with pytest.raises(BadAnswer, match="encoding"):
        read(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello")


@pytest.mark.parametrize(
    "surplus",
    [
        b"HTTP/1.1 500 Oh\r\nX: 1\r\nContent-Length: 3\r\n\r\nbad",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 50",
        b"garbage",
        b"\0",
    ],
)
@pytest.mark.parametrize("name", ["length", "chunked", "http 1.0", "gzip"])
def test_what_follows_an_answer_changes_nothing_of_it(name: str, surplus: bytes) -> None:
    alone = read(ANSWERS[name])
    answer = read(ANSWERS[name] + surplus)
    assert (answer.status, answer.headers, answer.body) == (200, alone.headers, b"hello")
    assert not answer.keep_alive, "what came too much would be taken for the next answer"


def test_what_follows_a_body_that_was_cut_changes_nothing() -> None:
    long = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5DC\r\n" + b"x" * 1500 + b"no chunk"
    answer = read(long, cut=True)
    assert (answer.body, answer.too_large, answer.keep_alive) == (b"x" * 1000, True, False)


def test_a_trailer_is_no_header() -> None:
    answer = read(ANSWERS["chunked"].replace(b"Trailer: 1", b"Content-Encoding: gzip"))
    assert answer.body == b"hello"
    assert answer.headers == {b"transfer-encoding": b"chunked"}


@pytest.mark.parametrize("start", [b"RTSP/1.0", b"ICE/1.0"])
def test_other_protocols_are_refused(start: bytes) -> None:
    with pytest.raises(BadAnswer, match="HTTP"):
        read(ANSWERS["length"].replace(b"HTTP/1.1", start))


@pytest.mark.parametrize("at", range(1, 40))
def test_a_broken_beginning_is_refused_wherever_it_is_split(at: int) -> None:
    """An empty line inside the first nine bytes ends no interim answer."""
    data = b"HTTP/\n\n1.1 103 Early Hints\r\nX: 1\r\n\r\n" + ANSWERS["length"]
    with pytest.raises(BadAnswer, match="HTTP"):
        read(data[:at], data[at:])


@pytest.mark.parametrize("at", [60, 1200, 1560])
def test_a_cut_body_without_its_encoding_is_refused_wherever_it_is_split(at: int) -> None:
    data = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1500\r\n\r\n" + b"x" * 1500
    with pytest.raises(BadAnswer, match="encoding"):
        read(*filter(None, (data[:at], data[at:])), cut=True)


@pytest.mark.parametrize("status", [b"000", b"002", b"099"])
def test_a_status_that_there_is_not_is_refused(status: bytes) -> None:
    with pytest.raises(BadAnswer, match="status"):
        read(ANSWERS["length"].replace(b"200", status))


def test_mutated_answers_are_read_or_refused() -> None:
    cases = 100_000 if LONG else 1_000
    command = [sys.executable, str(BENCH / "fuzz/http_answers.py"), "--cases", str(cases)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert f"{cases} HTTP answers" in done.stdout
