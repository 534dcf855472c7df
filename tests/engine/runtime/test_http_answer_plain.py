"""An answer that comes in one piece is read without a parser; it must mean the same as in many pieces, which needs one."""

from __future__ import annotations

import random

import pytest

from rookery.runtime.http_answer import AnswerReader, BadAnswer

PLAIN = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nServer: nginx\r\nContent-Length: 11\r\n\r\n" + b'{"ok":true}'
)
VARIANTS = [
    PLAIN,
    PLAIN.replace(b"200 OK", b"429 Too Many Requests").replace(b"Server: nginx", b"Retry-After: 7"),
    PLAIN.replace(b"200 OK", b"204 No Content"),
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\nServer: nginx\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\nServer: nginx\r\nContent-Length:\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\n\r\nmore",
    b"HTTP/1.1 205 Reset Content\r\nServer: nginx\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n\r\n",
    PLAIN.replace(b"200 OK", b"304 Not Modified"),
    PLAIN.replace(b"200 OK", b"199 Early"),
    PLAIN.replace(b"200 OK", b"200"),
    PLAIN.replace(b"HTTP/1.1", b"HTTP/1.0"),
    PLAIN.replace(b"Server: nginx", b"Connection: close"),
    PLAIN.replace(b"Server: nginx", b"Connection: Keep-Alive"),
    PLAIN.replace(b"Server: nginx", b"Connection: upgrade\r\nUpgrade: h2c"),
    PLAIN.replace(b"Server: nginx", b"Transfer-Encoding: chunked"),
    PLAIN.replace(b"Server: nginx", b"Content-Length: 12"),
    PLAIN.replace(b"Server: nginx", b"Server: one\r\nServer: two"),
    PLAIN.replace(b"Server: nginx", b"Content-Encoding: gzip"),
    PLAIN.replace(b"Server: nginx", b"Server:  spaced "),
    PLAIN.replace(b"Server: nginx", b"Server: one\r\n two"),
    PLAIN.replace(b"Content-Length: 11", b"Content-Length: 011"),
    PLAIN.replace(b"Content-Length: 11", b"Content-Length: +11"),
    PLAIN.replace(b"Content-Length: 11\r\n", b""),
    PLAIN + b"more",
    PLAIN[:-1],
    b"\r\n" + PLAIN,
    b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + PLAIN,
]


def read(pieces: list[bytes], limit: int = 1000) -> tuple[object, ...]:
    """What a reader makes of the pieces until it has enough, and of the end of the connection if it has not."""
    reader = AnswerReader(limit, False)
    try:
        for piece in pieces:
            if reader.enough:
                break
            reader.feed(piece)
        if not reader.enough:
            reader.end()
    except BadAnswer:
        return ("bad",)
    answer = reader.answer
    return answer.status, answer.headers, answer.body, answer.too_large


@pytest.mark.parametrize("data", VARIANTS)
def test_one_piece_means_the_same_as_single_bytes(data: bytes) -> None:
    assert read([data]) == read([data[index : index + 1] for index in range(len(data))])


def test_mutated_answers_mean_the_same_in_one_piece_as_in_two() -> None:
    rng = random.Random(16)
    seen = set()
    for _ in range(4000):
        data = bytearray(PLAIN)
        for _ in range(rng.randrange(4)):
            place = rng.randrange(len(data))
            data[place : place + rng.randrange(2)] = rng.choice(
                (b"\r\n", b" ", b":", b"\x00", b"A", b"1", b"\xff", b"\t", b"\n", b"\r")
            )
        found = read([bytes(data)])
        assert found == read([bytes(data[:1]), bytes(data[1:])]), bytes(data)
        seen.add(found[0])
    assert {200, "bad"} <= seen


@pytest.mark.parametrize("head", [b"", b"Server: nginx\r\n", b"Content-Length: 0\r\n"])
def test_an_answer_without_a_body_keeps_the_connection(head: bytes) -> None:
    reader = AnswerReader(1000, False)
    reader.feed(b"HTTP/1.1 204 No Content\r\n" + head + b"\r\n")
    assert (reader.complete, reader.answer.status, reader.answer.body, reader.answer.keep_alive) == (
        True,
        204,
        b"",
        True,
    )


def test_only_a_connection_that_stays_is_used_again() -> None:
    for data, kept in ((PLAIN, True), (PLAIN.replace(b"Server: nginx", b"Connection: close"), False)):
        reader = AnswerReader(1000, False)
        reader.feed(data)
        assert (reader.complete, reader.answer.keep_alive) == (True, kept)
    reader = AnswerReader(1000, False)
    reader.feed(PLAIN)
    reader.feed(b"HTTP/1.1 200 OK\r\n")
    assert not reader.answer.keep_alive
    assert read([PLAIN], limit=10) == ("bad",)
