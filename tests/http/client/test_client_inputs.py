"""What programs give the client library by mistake: an error of the library, no secret in it, and no other path."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from rookery_client import AsyncClient, BadSignature, Client, verify
from rookery_client.errors import InvalidAddress, InvalidRequest, Unreachable, shown
from rookery_http.cli.client import Client as CommandClient
from rookery_http.cli.client import ClientError, path_of

SECRET = "s3cret-of-the-key"


class Recorder:
    """A server that answers everything; `paths` are those that were asked for."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []

    def client(self, url: str = "http://127.0.0.1:9") -> Client:
        return Client(url, http=httpx.Client(transport=httpx.MockTransport(self._answer)))

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return httpx.Response(200, json={"messages": [], "result": True})


@pytest.mark.parametrize(("id", "path"), [("..", b"%2E%2E"), (".", b"%2E"), ("...", b"..."), ("a/../b", b"a%2F..%2Fb")])
def test_an_id_of_dots_leads_to_no_other_path(id: str, path: bytes) -> None:
    recorder = Recorder()
    recorder.client().delete_session(id)
    recorder.client().delete_webhook(id)
    assert [request.url.raw_path for request in recorder.requests] == [b"/v1/sessions/" + path, b"/v1/webhooks/" + path]


@pytest.mark.parametrize("id", ["..", "."])
def test_the_command_line_quotes_ids_of_dots(id: str) -> None:
    assert path_of(id) == id.replace(".", "%2E")


def test_the_command_line_refuses_an_id_that_is_no_text() -> None:
    with pytest.raises(ClientError):
        path_of("a\udcff")


@pytest.mark.parametrize("key", ["k\n", "schlüssel"])
def test_the_command_line_names_a_key_that_no_header_can_hold(key: str) -> None:
    with pytest.raises(ClientError, match="the key") as refused:
        CommandClient("http://127.0.0.1:9", key)
    assert refused.value.exit_code == 2


MISTAKES: dict[str, Callable[[Client], object]] = {
    "NaN": lambda client: client.send("a", 7, "x", latitude=float("nan")),
    "half a character": lambda client: client.send("a", 7, "\ud800"),
    "bytes": lambda client: client.send("a", 7, type="image", data=b"x"),
    "a set": lambda client: client.call("a", "sendPoll", options={"a"}),
    "a key with a line break": lambda client: client.send("a", 7, "x", idempotency_key="k\n"),
    "a key that is not ASCII": lambda client: client.send("a", 7, "x", idempotency_key="schlüssel"),
    "an id with half a character": lambda client: client.get_session("\ud800"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_cannot_be_written_is_an_error_of_the_library(mistake: str) -> None:
    recorder = Recorder()
    with pytest.raises(InvalidRequest):
        MISTAKES[mistake](recorder.client())
    assert recorder.requests == []


@pytest.mark.parametrize("key", [f"{SECRET}\n", f"{SECRET}ü", f"{SECRET}\0"])
@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_a_key_that_no_header_can_hold_is_not_shown(kind: type[Any], key: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        kind("http://127.0.0.1:9", key)
    assert SECRET not in str(refused.value)


def test_the_password_of_an_address_is_not_shown() -> None:
    with pytest.raises(Unreachable) as away, Client(f"http://me:{SECRET}@127.0.0.1:9", retries=0) as client:
        client.get_session("a")
    assert "127.0.0.1:9" in str(away.value)
    with pytest.raises(InvalidAddress) as wrong, Client(f"ftp://me:{SECRET}@127.0.0.1:9", retries=0) as client:
        client.get_session("a")
    assert SECRET not in str(away.value) + str(wrong.value)


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("http://u:pw@h:80/x", "http://***@h:80/x"),
        ("user:pw@host:80", "***@host:80"),
        ("http:/u:pw@h", "http:/***@h"),
        ("http://u:p/pw@h", "http://***@h"),
        ("http://u:p?pw@h", "http://***@h"),
        ("http://u:p#pw@h", "http://***@h"),
        ("http://u:p@pw@h", "http://***@h"),
        ("http://u:p\npw@h", "http://***@h"),
        ("HTTP://u:pw@h", "HTTP://***@h"),
        ("http://h:80/x", "http://h:80/x"),
    ],
)
def test_no_part_of_a_login_is_shown_whatever_is_wrong_with_the_address(url: str, wanted: str) -> None:
    assert shown(url) == wanted


def test_a_body_is_json_as_it_was() -> None:
    recorder = Recorder()
    recorder.client().send("a", 7, "Grüße 🐦")
    [request] = recorder.requests
    assert request.headers["content-type"] == "application/json"
    assert request.content == '{"to":7,"type":"text","text":"Grüße 🐦"}'.encode()


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_ü", "whsec_a", None])
def test_a_secret_that_is_none_is_named(secret: Any) -> None:
    headers = {"webhook-id": "a", "webhook-timestamp": "1", "webhook-signature": "v1,xx"}
    with pytest.raises(BadSignature, match="whsec_"):
        verify(b"{}", headers, secret)
