"""Encoded events are shared by concurrent readers, and kept no longer."""

from __future__ import annotations

import sys

import msgspec

from rookery import model
from rookery_http.output import views
from rookery_http.output.wire_forms import WireForms


def event(id: int, text: str = "hello") -> model.Event:
    return model.Event(
        id=id,
        session="s",
        platform="fake",
        type="message",
        key=str(id),
        chat="c",
        sender="p",
        time=1.0,
        body={"text": text},
        raw=None,
    )


def test_readers_at_the_same_time_share_the_forms() -> None:
    forms = WireForms()
    page = [event(1), event(2)]
    with forms.reader():
        with forms.reader():
            document, chunks = forms.json(page[0]), forms.chunks(page, "all")
        assert forms.json(page[0]) is document
        assert forms.chunks(page, "all") is chunks
        assert forms.chunks(page, "other") is not chunks


def test_with_the_last_reader_all_goes() -> None:
    forms = WireForms()
    page = [event(1), event(2)]
    with forms.reader():
        document, chunks = forms.json(page[0]), forms.chunks(page, "all")
    with forms.reader():
        assert forms.json(page[0]) is not document
        assert forms.chunks(page, "all") is not chunks


def test_a_form_takes_no_more_memory_than_it_has_bytes() -> None:
    forms = WireForms()
    with forms.reader():
        for length in range(1, 2000, 37):
            document = forms.json(event(length, "x" * length))
            assert document == msgspec.json.encode(views.Event.of(event(length, "x" * length)))
            assert sys.getsizeof(document) == sys.getsizeof(bytes(len(document)))
