"""Behind a proxy, from a web page, and counted: base path, trusted proxies, CORS, requests in the metrics."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from prometheus_client.parser import text_string_to_metric_families

from rookery_http.access.proxies import client_address, without_base
from rookery_http.config.load import ConfigurationError, load
from rookery_http.config.origins import networks_of, origins_of
from support.brokers.servers import free_port

KEY = "open-sesame-0123456789"
PAGE = "https://app.example.org"


@asynccontextmanager
async def nginx(directory: Path, upstream: int, *, keep_prefix: bool) -> AsyncIterator[str]:
    """A real proxy that shows the server under /rookery."""
    port = free_port()
    target = f"http://127.0.0.1:{upstream}" + ("" if keep_prefix else "/")
    configuration = directory / "nginx.conf"
    configuration.write_text(f"""
        daemon off; master_process off; pid {directory}/nginx.pid; error_log {directory}/error.log;
        events {{ worker_connections 64; }}
        http {{
            access_log off;
            client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy;
            fastcgi_temp_path {directory}/f; uwsgi_temp_path {directory}/u; scgi_temp_path {directory}/s;
            map $http_upgrade $connection_upgrade {{ default upgrade; '' close; }}
            server {{
                listen 127.0.0.1:{port};
                location /rookery/ {{
                    proxy_pass {target};
                    proxy_http_version 1.1;
                    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
                    proxy_set_header Upgrade $http_upgrade;
                    proxy_set_header Connection $connection_upgrade;
                    proxy_buffering off;
                }}
            }}
        }}
    """)
    process = await trio.lowlevel.open_process(
        ["nginx", "-p", str(directory), "-c", str(configuration)], stderr=subprocess.DEVNULL
    )
    try:
        with trio.fail_after(20):
            while True:
                try:
                    await (await trio.open_tcp_stream("127.0.0.1", port)).aclose()
                    break
                except OSError:
                    await trio.sleep(0.02)
        yield f"http://127.0.0.1:{port}/rookery"
    finally:
        process.terminate()
        with trio.CancelScope(shield=True):
            await process.wait()


@pytest.mark.skipif(shutil.which("nginx") is None, reason="needs nginx")
@pytest.mark.parametrize("keep_prefix", [True, False])
async def test_behind_a_real_proxy_under_a_base_path(serve: Any, tmp_path: Path, keep_prefix: bool) -> None:
    async with serve(base_path="/rookery", trusted_proxies="127.0.0.0/8", key=KEY) as served:  # noqa: SIM117
        async with nginx(tmp_path, served.port, keep_prefix=keep_prefix) as url:
            headers = {"Authorization": f"Bearer {KEY}", "X-Forwarded-For": "203.0.113.9"}
            async with httpx.AsyncClient(headers=headers, trust_env=False, timeout=20) as client:
                body = {"id": "polly", "platform": "parrot", "credentials": {"token": "1:abc"}}
                made = await client.post(f"{url}/v1/sessions", json=body)
                assert made.status_code == 201, made.text
                location = made.headers["location"]
                assert location == "/rookery/v1/sessions/polly"
                assert (await client.get(httpx.URL(url).join(location))).json()["id"] == "polly"
                with trio.fail_after(30):
                    await served.engine.wait_status("polly", "CONNECTED")
                description = (await client.get(f"{url}/openapi.json")).json()
                assert description["servers"][0]["url"] == "/rookery"
                page = await client.get(f"{url}/dashboard")
                assert page.status_code == 200
                assert (await client.get(f"{url}/dashboard/main.js")).status_code == 200
                assert (await client.get(f"{url}/docs")).status_code == 200
                assert (await client.get(f"{url}/healthz")).status_code == 200
                stream = f"{url}/v1/events/stream?after=0&limit=1&timeout=20"
                await served.parrot.say("polly", "hello")
                assert "hello" in (await client.get(f"{stream}&type=message")).text
                [entry] = (await client.get(f"{url}/v1/audit?limit=1")).json()["entries"]
                assert entry["client"] == "203.0.113.9", "the next proxy, on this machine as well, is trusted too"


@pytest.mark.parametrize(
    ("peer", "headers", "address"),
    [
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", [(b"x-forwarded-for", b"203.0.113.9")], "203.0.113.9"),
        ("10.0.0.1", [(b"x-forwarded-for", b"6.6.6.6, 203.0.113.9, 10.0.0.2")], "203.0.113.9"),
        ("10.0.0.1", [(b"x-forwarded-for", b"6.6.6.6"), (b"x-forwarded-for", b"203.0.113.9")], "203.0.113.9"),
        ("10.0.0.1", [(b"x-forwarded-for", b"10.0.0.7, 10.0.0.2")], "10.0.0.7"),
        ("10.0.0.1", [(b"x-forwarded-for", b"nonsense")], "10.0.0.1"),
        ("10.0.0.1", [(b"forwarded", b"for=203.0.113.9;proto=https, for=10.0.0.2")], "203.0.113.9"),
        ("10.0.0.1", [(b"forwarded", b'for="[2001:db8::1]:4711";by=x')], "2001:db8::1"),
        ("10.0.0.1", [(b"forwarded", b"For=203.0.113.9:80"), (b"x-forwarded-for", b"203.0.113.9")], "203.0.113.9"),
        # Only one of the two is of the proxy, and nothing says which.
        ("10.0.0.1", [(b"forwarded", b"for=6.6.6.6"), (b"x-forwarded-for", b"203.0.113.9")], "10.0.0.1"),
        ("10.0.0.1", [(b"forwarded", b"for=_hidden"), (b"x-forwarded-for", b"6.6.6.6")], "10.0.0.1"),
        # What a client put in front, in whatever form, never comes before what the proxy added.
        ("10.0.0.1", [(b"forwarded", b'by="x, for=6.6.6.6", for=203.0.113.9')], "203.0.113.9"),
        ("10.0.0.1", [(b"forwarded", b'by="\\", for=6.6.6.6", for=203.0.113.9')], "203.0.113.9"),
        ("10.0.0.1", [(b"forwarded", b'for=203.0.113.9;by=";for=6.6.6.6"')], "203.0.113.9"),
        ("10.0.0.1", [(b"forwarded", b'for=6.6.6.6"'), (b"forwarded", b"for=203.0.113.9")], "203.0.113.9"),
        ("10.0.0.1", [(b"forwarded", b"for=6.6.6.6, proto=https;by=10.0.0.1")], "10.0.0.1"),
        ("10.0.0.1", [(b"forwarded", b"for=6.6.6.6, for=unknown")], "10.0.0.1"),
        ("10.0.0.1", [(b"forwarded", b"forfor=6.6.6.6")], "10.0.0.1"),
        ("10.0.0.1", [(b"forwarded", b'for="203.0.113.9:_port"')], "203.0.113.9"),
        ("10.0.0.1", [(b"forwarded", b'for="[2001:db8::1]:_port" ; proto = https')], "2001:db8::1"),
        ("10.0.0.1", [(b"x-forwarded-for", b"[2001:db8::1]:4711")], "2001:db8::1"),
        ("10.0.0.1", [(b"x-forwarded-for", b"2001:DB8:0::1")], "2001:db8::1"),
        ("10.0.0.1", [(b"x-forwarded-for", b"::ffff:203.0.113.9")], "203.0.113.9"),
        ("10.0.0.1", [(b"x-forwarded-for", b"6.6.6.6, 203.0.113.9, ")], "203.0.113.9"),
        ("10.0.0.1", [(b"x-forwarded-for", b"6.6.6.6, 0x7f.1")], "10.0.0.1"),
        ("10.0.0.1", [(b"x-forwarded-for", b"6.6.6.6, " * 2000 + b"203.0.113.9, 10.9.9.9")], "203.0.113.9"),
        ("10.0.0.1", [(b"forwarded", b'"' * 4000 + b", for=203.0.113.9")], "203.0.113.9"),
        ("10.0.0.1", [(b"forwarded", b'for="' * 4000)], "10.0.0.1"),
        ("10.0.0.1", [(b"forwarded", b"for=_hidden")], "10.0.0.1"),
        ("198.51.100.1", [(b"x-forwarded-for", b"203.0.113.9")], "198.51.100.1"),
        ("::ffff:10.0.0.1", [(b"x-forwarded-for", b"203.0.113.9")], "203.0.113.9"),
    ],
)
def test_the_address_that_trusted_proxies_stand_for(
    peer: str, headers: list[tuple[bytes, bytes]], address: str
) -> None:
    assert client_address(peer, headers, networks_of("10.0.0.0/8, 192.0.2.1")) == address
    assert client_address(peer, headers, ()) == peer


async def test_the_audit_log_has_the_address_of_the_client(serve: Any) -> None:
    for trusted, client in ((None, "127.0.0.1"), ("127.0.0.1", "203.0.113.9")):
        async with serve(trusted_proxies=trusted) as served:
            await served.client.post("/v1/sessions/x/stop", headers={"Forwarded": "for=203.0.113.9"})
            [entry, *_] = (await served.client.get("/v1/audit")).json()["entries"]
            assert (entry["call"], entry["client"]) == ("stop_session", client)


def test_base_paths() -> None:
    assert without_base("/rookery/v1/x", "/rookery") == "/v1/x"
    assert without_base("/rookery", "/rookery") == "/"
    assert without_base("/rookeryx", "/rookery") == "/rookeryx"
    assert without_base("/v1/x", "/rookery") == "/v1/x"
    assert without_base("/v1/x", "") == "/v1/x"
    assert without_base("/rookery//v1/x", "/rookery") == "//v1/x"
    assert without_base("//rookery/v1/x", "/rookery") == "//rookery/v1/x"
    assert without_base("/%72ookery/v1/a%2Fb", "/rookery") == "/v1/a%2Fb"
    assert without_base("/a/%62/v1", "/a/b") == "/v1"
    assert without_base("/a%2Fb/v1", "/a/b") == "/a%2Fb/v1"
    assert without_base("/rookery/rookery", "/rookery") == "/rookery"


async def test_cors(serve: Any) -> None:
    async with serve(cors_origins=f"{PAGE}, http://localhost:3000", key=KEY) as served:
        ask = {
            "Origin": PAGE,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization, content-type",
        }
        served.client.headers.pop("Authorization")
        answer = await served.client.options(
            "/v1/sessions", headers={**ask, "Access-Control-Request-Headers": "authorization"}
        )
        assert answer.status_code == 204
        assert answer.headers["access-control-allow-origin"] == PAGE
        assert answer.headers["access-control-allow-headers"] == "authorization"
        assert "POST" in answer.headers["access-control-allow-methods"]
        assert answer.headers["vary"] == "Origin"
        for headers, status in (({}, 401), ({"X-Api-Key": KEY}, 200)):
            answer = await served.client.get("/v1/sessions", headers={"Origin": PAGE, **headers})
            assert answer.status_code == status
            assert answer.headers["access-control-allow-origin"] == PAGE
            assert "access-control-allow-credentials" not in answer.headers
        for other in ("https://evil.example", "null", f"{PAGE}.evil.example"):
            answer = await served.client.get("/v1/sessions", headers={"Origin": other, "X-Api-Key": KEY})
            assert "access-control-allow-origin" not in answer.headers
            assert answer.headers["vary"] == "Origin", "a cache must not hand it to a page that is allowed"
            answer = await served.client.options("/v1/sessions", headers={**ask, "Origin": other})
            assert answer.status_code in (401, 405)
            assert "access-control-allow-origin" not in answer.headers
        assert (await served.client.get("/v1/sessions")).headers["vary"] == "Origin"


async def test_a_page_may_read_every_answer_also_that_it_did_wrong(serve: Any) -> None:
    async with serve(cors_origins=PAGE, key=KEY, max_body=2_000, base_path="/rookery") as served:
        own = {"Origin": PAGE, "X-Api-Key": KEY}
        served.client.headers.pop("Authorization")
        for path, method, body, status in (
            ("/v1/nowhere", "GET", None, 404),
            ("/v1/sessions/nobody", "GET", None, 404),
            ("/v1/sessions", "PUT", None, 405),
            ("/v1/sessions", "PATCH", None, 405),
            ("/v1/sessions", "OPTIONS", None, 405),
            ("/v1/sessions?limit=x", "GET", None, 400),
            ("/v1/sessions", "POST", b"{", 400),
            ("/v1/sessions", "POST", b" " * 3_000, 413),
            ("/v1/sessions", "HEAD", None, 200),
            ("/dashboard/nowhere", "GET", None, 404),
        ):
            headers = own | ({"Content-Type": "application/json"} if body else {})
            for base in ("", "/rookery"):
                answer = await served.client.request(method, base + path, headers=headers, content=body)
                assert answer.status_code == status, (method, base + path)
                assert answer.headers["access-control-allow-origin"] == PAGE
        async with served.client.stream("GET", "/v1/events/stream", headers=own) as stream:
            assert stream.headers["access-control-allow-origin"] == PAGE


@pytest.mark.parametrize("method", ["POST", "BREW", "x" * 500, "", "POST, DELETE"])
@pytest.mark.parametrize(
    "headers", ["authorization", "a" * 10_000, ",,,", "x-ok, \u00e4, b c, x:y", ", ".join(["n"] * 2_000)]
)
async def test_an_odd_preflight_is_answered_with_what_there_is(serve: Any, method: str, headers: str) -> None:
    async with serve(cors_origins=PAGE, key=KEY) as served:
        ask = {
            "Origin": PAGE,
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": headers.encode("utf-8"),
            "Access-Control-Request-Credentials": "true",
        }
        answer = await served.client.options("/v1/sessions", headers=ask)
        assert answer.status_code == 204
        assert answer.headers["access-control-allow-methods"] == "GET, HEAD, POST"
        assert "access-control-allow-credentials" not in answer.headers
        allowed = [name for name in answer.headers["access-control-allow-headers"].split(", ") if name]
        assert set(allowed) <= {"authorization", "x-ok", "n"}


async def test_every_origin_is_everybody_and_never_with_cookies(serve: Any) -> None:
    async with serve(cors_origins="*", key=KEY) as served:
        for origin in ("null", "https://evil.example", "x" * 3_000):
            answer = await served.client.get("/v1/sessions", headers={"Origin": origin})
            assert answer.headers["access-control-allow-origin"] == "*"
            assert "access-control-allow-credentials" not in answer.headers


async def test_without_cors_nothing_changes(served: Any) -> None:
    answer = await served.client.options("/v1/sessions", headers={"Access-Control-Request-Method": "GET"})
    assert answer.status_code == 405
    assert "access-control-allow-origin" not in (await served.client.get("/v1/sessions")).headers


async def test_a_page_that_is_named_may_call_a_server_without_a_key(serve: Any) -> None:
    async with serve(cors_origins=PAGE) as served:
        assert (await served.client.get("/v1/sessions", headers={"Origin": PAGE})).status_code == 200
        assert (await served.client.get("/v1/sessions", headers={"Origin": "https://evil.example"})).status_code == 403


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ROOKERY_CORS_ORIGINS", "app.example.org"),
        ("ROOKERY_CORS_ORIGINS", "https://app.example.org/path"),
        ("ROOKERY_CORS_ORIGINS", "*"),
        ("ROOKERY_BASE_PATH", "rookery"),
        ("ROOKERY_BASE_PATH", "/rookery/"),
        ("ROOKERY_BASE_PATH", "/"),
        ("ROOKERY_BASE_PATH", "//rookery"),
        ("ROOKERY_BASE_PATH", "/a/../b"),
        ("ROOKERY_BASE_PATH", "/.."),
        ("ROOKERY_CORS_ORIGINS", "null"),
        ("ROOKERY_TRUSTED_PROXIES", "proxy.example.org"),
    ],
)
def test_mistakes(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=name):
        load()


def test_all_origins_are_fine_with_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROOKERY_CORS_ORIGINS", "*")
    monkeypatch.setenv("ROOKERY_API_KEY", KEY)
    assert origins_of(load().api.cors_origins) == ("*",)


async def test_requests_are_counted_by_route(served: Any) -> None:
    await served.add()
    for _ in range(3):
        await served.client.get("/v1/sessions/polly")
    await served.client.get("/v1/sessions/nobody")
    await served.client.get("/nowhere/at/all")
    samples: dict[tuple[str, ...], float] = {}
    for family in text_string_to_metric_families((await served.client.get("/metrics")).text):
        for sample in family.samples:
            labels = sample.labels
            samples[sample.name, *(labels.get(name, "") for name in ("method", "route", "status", "le"))] = sample.value
    route = "/v1/sessions/{id}"
    assert samples["rookery_http_requests_total", "GET", route, "200", ""] == 3
    assert samples["rookery_http_requests_total", "GET", route, "404", ""] == 1
    assert samples["rookery_http_requests_total", "GET", "other", "404", ""] == 1
    assert samples["rookery_http_request_seconds_count", "GET", route, "", ""] == 4
    assert samples["rookery_http_request_seconds_bucket", "GET", route, "", "60.0"] == 4
    assert 0 < samples["rookery_http_request_seconds_sum", "GET", route, "", ""] < 60
