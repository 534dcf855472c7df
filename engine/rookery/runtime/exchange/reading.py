"""Reads the answer to one request from a connection."""

from __future__ import annotations

import trio

from ..http_answer import AnswerReader, BadAnswer, HttpAnswer, plain_answer
from .connection import READ_SIZE, Connection
from .errors import AnswerFailed, Broken, NotHttp
from .patience import Patience

LATE_ANSWER_SECONDS = 1.0
"""How long to wait for the answer of a server that stopped reading the request."""


async def receive_answer(
    connection: Connection, max_answer: int, *, cut: bool, patience: Patience | None
) -> HttpAnswer:
    """The answer to the request that was sent last. `max_answer`, `cut`: see `HttpClient`. `patience` None: the caller's
    deadline is near enough. Raises ExchangeError and Broken."""
    reader: AnswerReader | None = None
    try:
        while True:
            data = await connection.receive()
            if reader is None:
                if (answer := plain_answer(data, max_answer)) is not None:
                    return answer
                reader = AnswerReader(max_answer, cut)
            if not data:
                if not reader.started:
                    raise Broken(NotHttp("the server closed the connection without an answer"))
                reader.end()
            else:
                reader.feed(data)
            if reader.enough or not data:
                return reader.answer
            if patience is not None:
                patience.renew()
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        failed = AnswerFailed("the connection broke while waiting for the answer")
        raise (failed if reader is not None and reader.started else Broken(failed)) from None
    except BadAnswer as error:
        raise NotHttp(f"not an HTTP answer: {error}") from None


async def receive_late_answer(connection: Connection, max_answer: int, *, cut: bool) -> HttpAnswer | None:
    """The answer of a server that stopped reading the request, for example because the request is too large."""
    reader = AnswerReader(max_answer, cut)
    with trio.move_on_after(LATE_ANSWER_SECONDS):
        try:
            while not reader.enough:
                data = await connection.stream.receive_some(READ_SIZE)
                if not data:
                    reader.end()
                    break
                reader.feed(bytes(data))
        except (trio.BrokenResourceError, trio.ClosedResourceError, BadAnswer):
            return None
        reader.answer.keep_alive = False
        return reader.answer
    return None
