"""Keys: made, limited, revoked, audited."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
import trio

from rookery_http.access.rate_limit import RateLimits
from rookery_http.output.problems import Problem
from support.waiting import until_found

ADMIN = "the-admin-key"


async def make(served: Any, **body: Any) -> tuple[dict[str, Any], httpx.AsyncClient]:
    """A key, and a client that uses it; the caller closes the client."""
    answer = await served.client.post("/v1/keys", json={"scopes": ["read"]} | body)
    assert answer.status_code == 201, answer.text
    headers = {"Authorization": f"Bearer {answer.json()['key']}"}
    return answer.json(), httpx.AsyncClient(base_url=served.url, headers=headers, trust_env=False)


async def test_the_life_of_a_key(serve: Any) -> None:
    async with serve(key=ADMIN) as served:
        made, client = await make(served, name="shop", scopes=["send", "read"], sessions=["polly"], rate=50)
        async with client:
            assert made["key"].startswith("rk_")
            assert (made["scopes"], made["sessions"], made["rate"]) == (["read", "send"], ["polly"], 50.0)
            assert made["last_used_at"] is None
            assert (await client.get("/v1/sessions")).status_code == 200
            listed = (await served.client.get("/v1/keys")).json()
            assert [row["id"] for row in listed["keys"]] == [made["id"]]
            assert "key" not in listed["keys"][0]
            await served.engine.read_audit()  # writes what waits
            shown = (await served.client.get(f"/v1/keys/{made['id']}")).json()
            assert shown["last_used_at"] is not None
            assert made["key"] not in json.dumps([listed, shown])
            gone = await served.client.delete(f"/v1/keys/{made['id']}")
            assert gone.json() == {"id": made["id"], "deleted": True}
            assert (await client.get("/v1/sessions")).status_code == 401
            assert (await served.client.delete(f"/v1/keys/{made['id']}")).status_code == 404


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"scopes": []}, 400),
        ({"scopes": ["root"]}, 400),
        ({}, 400),
        ({"scopes": ["read"], "sessions": []}, 400),
        ({"scopes": ["read"], "sessions": ["a b"]}, 400),
        ({"scopes": ["read"], "rate": 0}, 400),
        ({"scopes": ["read"], "expires_in": -1}, 400),
        ({"scopes": ["admin"], "sessions": ["a"]}, 409),
    ],
)
async def test_what_a_key_must_not_be(served: Any, body: Any, status: Any) -> None:
    assert (await served.client.post("/v1/keys", json=body)).status_code == status


async def test_an_expired_key_is_wrong(serve: Any) -> None:
    async with serve(key=ADMIN) as served:
        _, client = await make(served, expires_in=0.05)
        async with client:
            await until_found(lambda: client.get("/v1/sessions"), lambda answer: answer.status_code == 401, seconds=30)


SCOPES = {
    "read": ("GET", "/v1/sessions/polly", None),
    "send": ("POST", "/v1/sessions/polly/messages", {"to": "7", "text": "hi"}),
    "manage": ("PATCH", "/v1/sessions/polly", {"name": "Polly"}),
    "admin": ("GET", "/v1/keys", None),
}


@pytest.mark.parametrize("scope", SCOPES)
async def test_scopes_are_what_a_key_may_do(serve: Any, scope: Any) -> None:
    async with serve(key=ADMIN) as served:
        await served.add()
        _, client = await make(served, scopes=[scope])
        async with client:
            for needed, (method, path, body) in SCOPES.items():
                answer = await client.request(method, path, json=body)
                allowed = scope in (needed, "admin")
                assert answer.status_code == (200 if allowed else 403), (needed, answer.text)


async def test_a_key_may_create_the_sessions_that_it_is_for(serve: Any) -> None:
    async with serve(key=ADMIN) as served:
        await served.add("theirs")
        _, client = await make(served, scopes=["manage", "read"], sessions=["mine"])
        async with client:
            body = {"platform": "parrot", "credentials": {"token": "1:abc"}}
            refused = [
                await client.post("/v1/sessions", json=body | more) for more in ({}, {"id": "theirs"}, {"id": "x"})
            ]
            assert [answer.status_code for answer in refused] == [403, 403, 403]
            assert len({answer.text for answer in refused}) == 1
            assert (await client.post("/v1/sessions", json=body | {"id": "mine"})).status_code == 201
            assert (await client.post("/v1/sessions", json=body | {"id": "mine"})).status_code == 409
            assert (await client.post("/v1/health/check")).json().keys() == {"checks"}
            for method, path in (
                ("POST", "/v1/sessions/terminate-inactive"),
                ("GET", "/v1/health"),
                ("GET", "/metrics"),
            ):
                assert (await client.request(method, path)).status_code == 403


async def test_the_audit_log_tells_who_did_what(serve: Any) -> None:
    async with serve(key=ADMIN) as served:
        await served.add()
        made, client = await make(served, scopes=["send"], sessions=["polly"])
        async with client:
            await client.post("/v1/sessions/polly/messages", json={"to": "7", "text": "hi"})
            await client.post("/v1/sessions/polly/stop")
            await client.post("/v1/sessions/jack/messages", json={"to": "7", "text": "hi"})
            assert (await client.get("/v1/audit")).status_code == 403
        page = (await served.client.get("/v1/audit", params={"limit": 4})).json()
        told = [(row["key"], row["call"], row["session"], row["outcome"]) for row in page["entries"]]
        assert told == [
            (made["id"], "send_message", "jack", 404),
            (made["id"], "stop_session", "polly", 403),
            (made["id"], "send_message", "polly", 200),
            ("admin", "create_key", None, 201),
        ]
        rest = (await served.client.get("/v1/audit", params={"before": page["next"]})).json()
        assert [row["call"] for row in rest["entries"]] == ["create_session"]
        assert rest["next"] is None
        only = (await served.client.get("/v1/audit", params={"session": "polly", "key": made["id"]})).json()
        assert len(only["entries"]) == 2
        assert made["key"] not in json.dumps([page, rest])


async def test_without_an_admin_key_a_key_is_still_held_to_its_limits(served: Any) -> None:
    await served.add()
    _, client = await make(served, sessions=["jack"])
    async with client:
        assert (await client.get("/v1/sessions")).json()["sessions"] == []
        assert (await client.get("/v1/sessions/polly")).status_code == 404
        wrong = await client.get("/v1/sessions", headers={"Authorization": "Bearer rk_wrong"})
        assert wrong.status_code == 401


async def test_too_many_requests_get_a_retry_after(serve: Any) -> None:
    async with serve(key=ADMIN) as served:
        _, client = await make(served, rate=0.5)
        async with client:
            answers = [await client.get("/v1/sessions") for _ in range(3)]
            assert [answer.status_code for answer in answers] == [200, 429, 429]
            assert answers[1].json()["type"] == "urn:rookery:problem:rate-limited"
            assert int(answers[1].headers["retry-after"]) in (1, 2)
        assert (await served.client.get("/v1/sessions")).status_code == 200
        _, second = await make(served)
        async with second:
            assert (await second.get("/v1/sessions")).status_code == 200


async def test_a_rate_is_kept(autojump_clock: Any) -> None:
    limits = RateLimits()
    allowed = 0
    with trio.move_on_after(10):
        while True:
            try:
                limits.check("k", 5)
                allowed += 1
            except Problem:
                await trio.sleep(0.05)
    assert 50 <= allowed <= 61, "5 a second, and 10 at once at the beginning"


async def test_a_rate_that_rounds_to_never_is_a_refusal(autojump_clock: Any) -> None:
    limits = RateLimits()
    limits.check("k", 1e-320)
    with pytest.raises(Problem, match="requests a second"):
        limits.check("k", 1e-320)
