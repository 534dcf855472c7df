"""Signatures of deliveries, against the algorithm as the standard library has it."""

from __future__ import annotations

import base64
import hmac

import pytest

from rookery.delivery.signature import SIGNING_HEADERS, Signer
from rookery.model.event import Event
from rookery.model.webhook import Delivery, Webhook

BODY = '{"type":"message","text":"☺"}'.encode()
DELIVERY = Delivery("w", Event(7, "s", "fake", "message", "1", 1.0, "7", "9", {}, {}), "lane")


def expected(key: bytes, at: int) -> str:
    signed = b"evt_7.%d.%b" % (at, BODY)
    return "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()


def secret(key: bytes) -> str:
    return "whsec_" + base64.b64encode(key).decode()


@pytest.mark.parametrize("size", [1, 24, 63, 64, 65, 200])
def test_a_signature_is_hmac_sha256_with_a_key_of_any_length(size: int) -> None:
    key = bytes(range(7, 7 + size))
    signer = Signer(Webhook(id="w", url="http://h/", secret=secret(key)))
    for at in (1_700_000_000.9, 1_700_000_001.0):
        headers = signer.headers(DELIVERY, BODY, at)
        assert headers.keys() == SIGNING_HEADERS
        assert headers["webhook-signature"] == expected(key, int(at))
        assert headers["webhook-timestamp"] == str(int(at))
        assert headers["content-length"] == str(len(BODY))


def test_the_previous_secret_signs_as_well_until_its_time() -> None:
    hook = Webhook(
        id="w", url="http://h/", secret=secret(b"n" * 24), previous_secret=secret(b"p" * 24), previous_until=100.0
    )
    both = f"{expected(b'n' * 24, 99)} {expected(b'p' * 24, 99)}"
    assert Signer(hook).headers(DELIVERY, BODY, 99.9)["webhook-signature"] == both
    assert Signer(hook).headers(DELIVERY, BODY, 100.0)["webhook-signature"] == expected(b"n" * 24, 100)


@pytest.mark.parametrize("unusable", ["whsec_", "whsec_é"])
def test_a_secret_without_a_key_is_an_error(unusable: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Signer(Webhook(id="w", url="http://h/", secret=unusable))
