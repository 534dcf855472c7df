"""Who may call."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import trio

from rookery_http.access import wrong_keys
from rookery_http.config.settings import ApiSettings, is_loopback
from support.waiting import until

KEY = "correct-horse"


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer wrong",
        f"Basic {KEY}",
        KEY,
        f"Bearer {KEY}x",
        f"Bearer {KEY[:-1]}",
        "Bearer é",
    ],
)
async def test_without_the_key_nothing_is_shown(serve: Any, header: Any) -> None:
    async with serve(key=KEY) as served:
        headers = {"Authorization": header.encode("latin-1")} if header is not None else {}
        served.client.headers.pop("Authorization")
        for path in ("/v1/sessions", "/v1/events/stream", "/openapi.json", "/docs", "/nothing", "/v1/messages/x"):
            answer = await served.client.get(path, headers=headers)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"].startswith("Bearer")
            assert answer.headers["content-type"] == "application/problem+json"
            assert KEY not in answer.text
        for path in ("/healthz", "/readyz"):
            assert (await served.client.get(path, headers=headers)).status_code == 200


async def test_with_the_key(serve: Any) -> None:
    async with serve(key=KEY) as served:
        assert (await served.client.get("/v1/sessions")).status_code == 200
        answer = await served.client.get("/v1/sessions", headers={"Authorization": f"bearer  {KEY}"})
        assert answer.status_code == 200
        answer = await served.client.get("/v1/sessions", headers={"Host": "rookery.example"})
        assert answer.status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 403),
        ({"Host": "evil.example:8080"}, 403),
        ({"Host": "127.0.0.1.evil.example"}, 403),
        ({"Host": "[::ffff"}, 403),
        ({"Host": "localhost"}, 200),
        ({"Host": "rookery.localhost:1"}, 200),
        ({"Host": "127.0.0.1"}, 200),
        ({"Host": "[::1]:8080"}, 200),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost:3000"}, 200),
    ],
)
async def test_without_a_key_web_pages_of_other_sites_are_refused(served: Any, headers: Any, status: Any) -> None:
    answer = await served.client.get("/v1/sessions", headers=headers)
    assert answer.status_code == status, answer.text
    answer = await served.client.post("/v1/sessions/x/stop", headers=headers)
    assert answer.status_code == (403 if status == 403 else 404)


@pytest.mark.parametrize("host", ["", "a b", "\xff", "a:b:c", "a/b", "@", "localhost:99999", "localhost:x"])
async def test_odd_host_headers_are_never_a_server_error(served: Any, host: Any) -> None:
    stream = await trio.open_tcp_stream("127.0.0.1", served.port)
    async with stream:
        await stream.send_all(
            b"GET /v1/sessions HTTP/1.1\r\nHost: " + host.encode("latin-1") + b"\r\nConnection: close\r\n\r\n"
        )
        with trio.fail_after(30):
            answer = await stream.receive_some()
    assert int(answer.split()[1]) < 500


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost", "LOCALHOST.", "a.localhost"])
def test_loopback(host: Any) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "10.0.0.1", "localhost.example", "example.org", "127.0.0.1.x"])
def test_not_loopback(host: Any) -> None:
    assert not is_loopback(host)


def test_the_key_is_not_in_the_representation() -> None:
    assert KEY not in repr(ApiSettings(key=KEY))


@pytest.mark.parametrize("name", ["X-Api-Key", "x-api-key", "apikey", "APIKEY"])
async def test_a_key_may_come_in_other_headers(serve: Any, name: Any) -> None:
    async with serve(key=KEY) as served:
        served.client.headers.pop("Authorization")
        assert (await served.client.get("/v1/sessions", headers={name: KEY})).status_code == 200
        assert (await served.client.get("/v1/sessions", headers={name: KEY + "x"})).status_code == 401
        made = (await served.client.post("/v1/keys", json={"scopes": ["read"]}, headers={name: KEY})).json()
        assert (await served.client.get("/v1/sessions", headers={name: made["key"]})).status_code == 200
        both = {name: KEY, "Authorization": f"Bearer {KEY}"}
        assert (await served.client.get("/v1/sessions", headers=both)).status_code == 200
        both["Authorization"] = "Basic dXNlcjpwYXNzd29yZA=="  # of a proxy in front
        assert (await served.client.get("/v1/sessions", headers=both)).status_code == 200
        three = {"X-Api-Key": KEY, "apikey": KEY, "Authorization": f"Bearer {KEY}"}
        assert (await served.client.get("/v1/sessions", headers=three)).status_code == 200
        for other in three:
            wrong = {**three, other: three[other] + "x"}
            assert (await served.client.get("/v1/sessions", headers=wrong)).status_code == 401
        both["Authorization"] = f"Bearer {KEY}x"
        assert (await served.client.get("/v1/sessions", headers=both)).status_code == 401


async def test_wrong_keys_are_slowed_down_and_right_ones_are_not(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wrong_keys, "DELAY", 0.3)
    async with serve(key=KEY) as served:
        url = f"{served.url}/v1/sessions"
        assert (await served.client.get(url)).status_code == 200
        statuses = []

        async def guess(number: int) -> None:
            async with httpx.AsyncClient(trust_env=False, headers={"X-Api-Key": f"guess-{number}"}) as client:
                statuses.append((await client.get(url)).status_code)

        for number in range(wrong_keys.FREE):
            await guess(number)
        assert statuses == [401] * wrong_keys.FREE
        before = trio.current_time()
        await guess(99)
        assert statuses[-1] == 429
        assert trio.current_time() - before >= 0.3
        monkeypatch.setattr(wrong_keys, "DELAY", 60.0)
        async with trio.open_nursery() as nursery:
            for number in range(60):
                nursery.start_soon(guess, number)
            # These were refused without a look at their keys.
            await until(lambda: len(statuses) >= wrong_keys.FREE + 1 + 60 - wrong_keys.MOST_WAITING, seconds=20)
            before = trio.current_time()
            assert (await served.client.get(url)).status_code == 200
            assert trio.current_time() - before < 1.5
            nursery.cancel_scope.cancel()
        assert set(statuses) == {401, 429}


def test_addresses_of_one_network_count_as_one() -> None:
    assert wrong_keys.source_of("2001:db8::1") == wrong_keys.source_of("2001:db8::ffff")
    assert wrong_keys.source_of("192.0.2.1") != wrong_keys.source_of("192.0.2.2")
    assert wrong_keys.source_of("nonsense") == "nonsense"


async def test_requests_of_other_sites_without_an_origin_are_refused_without_a_key(served: Any) -> None:
    for site, status in (("cross-site", 403), ("same-origin", 200), ("same-site", 200), ("none", 200)):
        answer = await served.client.get("/v1/sessions", headers={"Sec-Fetch-Site": site})
        assert answer.status_code == status, site
    assert (
        await served.client.post("/v1/sessions/x/stop", headers={"Sec-Fetch-Site": "cross-site"})
    ).status_code == 403
