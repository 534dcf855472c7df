"""The patterns of addresses agree with the parsers that read the addresses later."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rookery.features.validation import check_url
from rookery.model.address import HTTP_ADDRESS, proxy_address

SCHEMES = ("http", "https", "socks5", "socks5h")


def check_parts(address: str) -> None:
    """Both parsers see the same host and port, and a bracketed host is an IPv6 address."""
    url, parts = httpx.URL(address), urlsplit(address)
    assert url.host
    assert parts.hostname is not None
    assert url.host.lower() == parts.hostname.lower()
    assert (parts.port is None) or 0 < parts.port < 65_536
    if "[" in parts.netloc.rpartition("@")[2]:
        ipaddress.IPv6Address(parts.hostname)


@given(st.from_regex(HTTP_ADDRESS[:-1] + r"\Z"))
def test_parsers_and_the_engine_accept_what_the_pattern_of_webhooks_accepts(address: str) -> None:
    check_parts(address)
    if len(address) <= 2048:
        assert check_url(address) == address


@given(st.from_regex(proxy_address(SCHEMES)[:-1] + r"\Z"))
def test_parsers_accept_what_the_pattern_of_proxies_accepts(address: str) -> None:
    check_parts(address)
    httpx.Proxy(address)


@given(st.ip_addresses(v=6))
def test_every_ipv6_address_is_accepted(address: ipaddress.IPv6Address) -> None:
    for text in (address.compressed, address.exploded):
        assert re.fullmatch(HTTP_ADDRESS, f"https://[{text}]:443/x")


@pytest.mark.parametrize(
    ("address", "right"),
    [
        ("http://my_service:8080/hook", True),
        ("https://user:p%40ss@example.org/hook?x=1", True),
        ("https://user:p%4@example.org/hook", False),
        ("https://user:p@ss@example.org/hook", False),
        ("https://example.org/hook#part", False),
        ("https://example.org:0/", False),
        ("https://example.org:65536/", False),
        ("https:///hook", False),
        ("http://127.0.0.1:9/x", True),
        ("http://127.0.0.256/x", False),
        ("http://127.1/x", False),
        ("http://2130706433/x", False),
        ("http://10.0.0.1.example/x", True),
        ("ftp://example.org/", False),
        ("https://exämple.org/", False),
    ],
)
def test_addresses_of_webhooks(address: str, right: bool) -> None:
    assert bool(re.fullmatch(HTTP_ADDRESS, address)) is right
