"""Mutated HTTP answers through the parser and through the client that uses it.

    python bench/fuzz/http_answers.py --cases 100000

Whatever arrives, there is one answer or the parser's own error, the same one however the bytes are split, and bytes behind an
answer change nothing of it. An answer without a mutation is read as it was written.
"""

from __future__ import annotations

import argparse
import faulthandler
import gzip
import itertools
import random
import re
import socket
import sys
import time
import zlib
from typing import NamedTuple

import trio

from rookery.runtime.http_answer import MAX_HEADERS, AnswerReader, BadAnswer, HttpAnswer
from rookery.runtime.http_client import HttpClient, NotHttp

LIMIT = 4_000  # bytes of a body
CPU_SECONDS = 2.0  # that one case may take
HANG_SECONDS = 120.0  # without progress; then the process ends with a traceback
ROUND = 500  # cases between two signs of progress

LARGE = random.Random(0).randbytes(LIMIT + 3_000)
"""Larger than the limit, also when it is compressed."""
BODIES = (
    b"",
    b"hello",
    b'{"ok":true,"result":[]}',
    b"x" * 3_000,
    b"x" * LIMIT,
    b"x" * (LIMIT + 1),
    LARGE,
    bytes(range(256)),
    b"\r\n\r\n",
    b"0\r\n\r\n",
)
INTERIM = (
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n",
    b"HTTP/1.1 102 Processing\r\nX: 1\r\n\r\n",
)
INTERESTING = (
    b"\0",
    b"\r",
    b"\n",
    b"\r\n",
    b"\r\n\r\n",
    b"\n\n",
    b" ",
    b"\t",
    b":",
    b"\xff\xfe",
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
    b"RTSP/1.0 200 OK\r\n",
    b"0\r\n\r\n",
    b";x=y",
)
HEADERS = (
    b"Content-Length: 5",
    b"Content-Length: 0",
    b"Content-Length: -1",
    b"Content-Length: 5, 5",
    b"Content-Length: 99999999999999999999999",
    b"Content-Length:",
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: identity",
    b"Content-Encoding: gzip",
    b"Content-Encoding: deflate",
    b"Content-Encoding: GZIP, gzip",
    b"Connection: close",
    b"Connection: upgrade\r\nUpgrade: x",
    b"X: y\r\n z",
    b"no colon",
    b": no name",
    b"X: " + b"y" * (MAX_HEADERS + 1),
)
NUMBERS = (
    b"0",
    b"-1",
    b"1",
    b"7",
    b"+5",
    b"0x5",
    b"99",
    b"65536",
    b"2147483648",
    b"18446744073709551616",
    b"9" * 400,
    b"",
)
TAIL = b"HTTP/1.1 500 Oh\r\nX-Second: 1\r\nContent-Length: 3\r\n\r\nbad"

_NUMBER = re.compile(rb"[0-9]+")


class Written(NamedTuple):
    """An answer as a server would send it, and what it says."""

    data: bytes
    status: int
    body: bytes


class Outcome(NamedTuple):
    """What a reader made of some bytes. `error` is empty for an answer."""

    error: str
    status: int = 0
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""
    too_large: bool = False
    complete: bool = False
    keep_alive: bool = False

    def same(self, other: Outcome) -> bool:
        """Whoever reads only the first bytes does not see what follows them; the texts of errors may differ, too."""
        return bool(self.error) == bool(other.error) and self[1:5] == other[1:5]


def written(chance: random.Random) -> Written:
    """A well-formed answer."""
    status = chance.choice((200, 200, 200, 204, 304, 302, 400, 429, 500, 502))
    without_body = status in (204, 304)
    body = b"" if without_body else chance.choice(BODIES)
    headers = [b"Server: x", b"Date: today"][: chance.randrange(3)]
    packed = body
    match 0 if without_body or not body else chance.randrange(4):
        case 1:
            headers.append(b"Content-Encoding: gzip")
            packed = gzip.compress(body, mtime=0)
        case 2:
            headers.append(b"Content-Encoding: deflate")
            packed = zlib.compress(body)
    if chance.random() < 0.2:
        headers.append(b"Connection: " + chance.choice((b"close", b"keep-alive")))
    framing = chance.randrange(3) if not without_body else 3
    version = b"1.1" if framing == 1 or chance.random() < 0.8 else b"1.0"
    if framing == 0:
        headers.append(b"Content-Length: %d" % len(packed))
    elif framing == 1:
        headers.append(b"Transfer-Encoding: chunked")
        packed = chunked(packed, chance)
    head = b"HTTP/%b %d Some text\r\n" % (version, status) + b"".join(header + b"\r\n" for header in headers) + b"\r\n"
    interim = b"".join(chance.choice(INTERIM) for _ in range(chance.choice((0, 0, 1, 3)))) if version == b"1.1" else b""
    return Written(interim + head + packed, status, body)


def chunked(body: bytes, chance: random.Random) -> bytes:
    """The body in chunks of any size, with extensions and trailers here and there."""
    parts: list[bytes] = []
    position = 0
    while position < len(body):
        piece = body[position : position + chance.choice((1, 2, 15, 16, 1_000, 5_000))]
        position += len(piece)
        if len(parts) > 40:
            piece, position = piece + body[position:], len(body)
        parts.append(b"%x%b\r\n%b\r\n" % (len(piece), b";x=y" if chance.random() < 0.1 else b"", piece))
    trailer = b"Trailer: 1\r\n" if chance.random() < 0.2 else b""
    return b"".join(parts) + b"0\r\n" + trailer + b"\r\n"


def mutated(data: bytes, chance: random.Random) -> bytes:
    """One to four small changes, most of them where the answer says how long it is."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        head = changed.find(b"\r\n\r\n") + 4
        position = chance.randrange(head if head > 4 and chance.random() < 0.6 else len(changed) + 1)
        match chance.randrange(9):
            case 0 if position < len(changed):
                changed[position] = chance.randrange(256)
            case 1 if position < len(changed):
                changed[position] ^= 1 << chance.randrange(8)
            case 2:
                changed[position:position] = chance.choice(INTERESTING)
            case 3:
                del changed[position : position + chance.randint(1, 20)]
            case 4:
                changed[position:position] = changed[position : position + chance.randint(1, 60)]
            case 5 if chance.random() < 0.3:
                del changed[position:]
            case 6 if numbers := list(_NUMBER.finditer(bytes(changed))):
                number = chance.choice(numbers)
                changed[number.start() : number.end()] = chance.choice(NUMBERS)
            case 7 if (line := changed.find(b"\r\n", position)) >= 0:
                changed[line + 2 : line + 2] = chance.choice(HEADERS) + b"\r\n"
            case _:
                start = changed.find(b"\r\n", position)
                if start >= 0:
                    changed[start : start + 2] = chance.choice((b"\n", b"\r", b"", b"\n\r", b"\r\n\t"))
    return bytes(changed)


def split(data: bytes, chance: random.Random) -> list[bytes]:
    """The same bytes in up to ten pieces."""
    cuts = sorted({0, len(data), *(chance.randrange(len(data) + 1) for _ in range(chance.randint(1, 9)))})
    return [data[start:end] for start, end in itertools.pairwise(cuts)]


def outcome_of(answer: HttpAnswer, complete: bool) -> Outcome:
    headers = tuple(sorted(answer.headers.items()))
    return Outcome("", answer.status, headers, answer.body, answer.too_large, complete, answer.keep_alive)


def read(pieces: list[bytes], *, cut: bool) -> Outcome:
    """As `HttpClient` reads from a server that closes the connection behind the last piece."""
    reader = AnswerReader(LIMIT, cut)
    complete = False
    try:
        for piece in pieces:
            if reader.enough:
                break
            reader.feed(piece)
        complete = reader.enough
        if not complete:
            reader.end()
    except BadAnswer as error:
        return Outcome(str(error))
    return outcome_of(reader.answer, complete)


async def exchange(data: bytes, *, cut: bool) -> Outcome:
    """The answer by `HttpClient` from a server that sends `data` and closes."""
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.sendall(data)
        theirs.shutdown(socket.SHUT_WR)

        async def connect(host: str, port: int) -> trio.SocketStream:
            ours.setblocking(False)
            # trio sets an option that only TCP has, and passes over the refusal.
            return trio.SocketStream(trio.socket.from_stdlib_socket(ours))

        client = HttpClient("server", 80, None, max_answer=LIMIT, cut=cut, connect=connect)
        try:
            answer = await client.exchange(b"GET / HTTP/1.1\r\n\r\n", connect_seconds=60, read_seconds=60)
        except NotHttp as error:
            return Outcome(str(error))
        finally:
            await client.aclose()
    return outcome_of(answer, True)


def is_right(found: Outcome, original: Written, cut: bool) -> bool:
    """The outcome is what the answer says, within the limit."""
    if len(original.body) > LIMIT:
        return (
            (not found.error and found.too_large and original.body.startswith(found.body)) if cut else bool(found.error)
        )
    return not found.error and (found.status, found.body) == original[1:]


async def check(data: bytes, original: Written | None, chance: random.Random) -> str | None:
    """What is wrong with how `data` is read; None when nothing is. `original`: it is unchanged."""
    cut = chance.random() < 0.3
    whole = read([data] if data else [], cut=cut)
    if original is not None and not is_right(whole, original, cut):
        return f"a well-formed answer is read as {whole}"
    if not whole.error:
        if len(whole.body) > LIMIT or not 200 <= whole.status <= 999:
            return f"out of bounds: {whole.status}, {len(whole.body)} bytes"
        if sum(len(name) + len(value) for name, value in whole.headers) > MAX_HEADERS:
            return "too many headers"
    single = [data[at : at + 1] for at in range(len(data))] if len(data) < 2_000 else split(data, chance)
    for pieces in (split(data, chance), single):
        if not whole.same(found := read(pieces, cut=cut)):
            return f"in {len(pieces)} pieces it is read as {found}, as one piece as {whole}"
    if whole.complete:
        longer = read([data + TAIL], cut=cut)
        if not whole.same(longer):
            return f"what follows it makes {longer} of {whole}"
        if longer.keep_alive:
            return "the connection is kept though more came than the answer"
    if not whole.same(found := await exchange(data, cut=cut)):
        return f"the client reads {found}, the parser {whole}"
    return None


async def run(cases: int, seed: int) -> int:
    """How many cases went wrong."""
    chance = random.Random(seed)
    wrong = answers = 0
    for number in range(cases):
        if number % ROUND == 0:
            faulthandler.dump_traceback_later(HANG_SECONDS, exit=True)
        original = written(chance)
        unchanged = chance.random() < 0.1
        data = original.data if unchanged else mutated(original.data, chance)
        began = time.process_time()
        try:
            problem = await check(data, original if unchanged else None, chance)
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"
        if problem is None and (took := time.process_time() - began) > CPU_SECONDS:
            problem = f"{took:.1f} s of CPU"
        answers += not read([data] if data else [], cut=False).error
        if problem is not None:
            wrong += 1
            sys.stderr.write(f"case {number} of seed {seed}: {problem[:1500]}\n{data[:3000]!r}\n")
    faulthandler.cancel_dump_traceback_later()
    print(f"{cases} HTTP answers, {answers} of them readable: {wrong} went wrong")
    return wrong


def main() -> int:
    """Run the cases; the exit code is 1 when one of them went wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    return 1 if trio.run(run, options.cases, options.seed) else 0


if __name__ == "__main__":
    sys.exit(main())
