"""Answers never show the login in an address, even where the address is invalid."""

from __future__ import annotations

import pytest

from rookery_http.output.values import redacted


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("http://u:pw@h:80/x", "http://***@h:80/x"),
        ("http:/u:pw@h", "http:/***@h"),
        ("http://u:p/pw@h", "http://***@h"),
        ("http://u:p?pw@h", "http://***@h"),
        ("https://cdn.example/@ann/a.jpg", "https://cdn.example/@ann/a.jpg"),
        ("https://cdn.example:8443/@ann/a.jpg", "https://cdn.example:8443/@ann/a.jpg"),
        ("https://[::1]/@ann", "https://[::1]/@ann"),
        ("4915:1@s.whatsapp.net", "4915:1@s.whatsapp.net"),
        ("ann@example.com", "ann@example.com"),
    ],
)
def test_a_login_is_hidden_and_other_texts_stay(value: str, wanted: str) -> None:
    assert redacted({"proxy": [value]}) == {"proxy": [wanted]}
