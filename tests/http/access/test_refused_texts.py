"""What a stranger sends is not kept: caches by text take only texts of the length that a right one has."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from rookery.errors import RookeryError
from rookery.store.secrets import SecretBox
from rookery_http.input import parameters
from rookery_http.input.messages import plain_send
from rookery_telegram.sending.outbound import chat_id


@contextmanager
def nothing_kept() -> Iterator[None]:
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        yield
        assert tracemalloc.get_traced_memory()[0] - before < 1_000_000
    finally:
        tracemalloc.stop()


def long_texts(beginning: str = "") -> Iterator[str]:
    yield from (f"{beginning}{n}\U0001f600" + "x" * 100_000 for n in range(100))


def test_a_time_that_is_none_is_not_kept() -> None:
    parameters.instant.cache_clear()
    with nothing_kept():
        for text in long_texts():
            assert plain_send({"to": "1", "text": "x", "send_at": text}, 0.0) is None


def test_the_longest_time_goes_the_short_way() -> None:
    longest = "2026-01-31T12:00:00.123456789+01:00"
    assert len(longest) == parameters.LONGEST_INSTANT
    seconds = parameters.seconds_of(longest)
    assert seconds is not None
    found = plain_send({"to": "1", "text": "x", "send_at": longest}, seconds)
    assert found is not None
    assert found.send_at == seconds


@pytest.mark.parametrize("beginning", ["@", ""])
def test_the_name_of_a_chat_to_copy_from_is_not_kept(beginning: str) -> None:
    with nothing_kept():
        for text in long_texts(beginning):
            try:
                assert chat_id(text, "from_chat") == text
            except RookeryError:
                assert not beginning


def test_a_long_secret_is_decrypted_each_time() -> None:
    box = SecretBox.generated()
    with nothing_kept():
        for text in long_texts():
            assert box.decrypt(box.encrypt(text)) == text
