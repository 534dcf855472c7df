"""The page that the owner of a phone opens to link it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from rookery import Engine
from rookery.model.session import Reason, SessionStatus
from rookery_http.access import pair_tokens
from rookery_http.server import access_log
from support.waiting import until_found


async def test_a_link_shows_the_code_and_nothing_else(serve: Any) -> None:
    async with serve(key="k") as served:
        await served.add("polly", enabled=False)
        made = await served.client.post("/v1/sessions/polly/pair-link", json={"expires_in": 60})
        assert made.status_code == 200, made.text
        path = made.json()["path"]
        served.client.headers.pop("Authorization")
        page = await served.client.get(path)
        assert page.status_code == 200
        assert "wait" in page.text
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["referrer-policy"] == "no-referrer"
        assert "noindex" in page.headers["x-robots-tag"]
        served.parrot.codes["polly"] = SimpleNamespace(kind="qr", code="2@code", expires_at=1_700_000_060.0)
        page = await served.client.get(path)
        assert "<svg" in page.text
        assert "script" not in page.text
        assert "default-src 'none'" in page.headers["content-security-policy"]
        served.parrot.codes["polly"] = SimpleNamespace(kind="phone", code="ABCD-1234", expires_at=1_700_000_060.0)
        assert "ABCD-1234" in (await served.client.get(path)).text
        assert "polly" not in (await served.client.get(path)).text
        served.parrot.codes.clear()
        await served.engine.start("polly")
        await served.engine.wait_status("polly", "CONNECTED")
        assert "linked" in (await served.client.get(path)).text
        await served.engine.stop("polly")
        await served.engine.wait_status("polly", "DISCONNECTED")
        assert (await served.client.get(path)).status_code == 404, "it has linked a device"
        for wrong in (path[:-2], path + "A", "/pair/x", "/pair/" + "A" * 60):
            answer = await served.client.get(wrong)
            assert answer.status_code == 404, wrong
            assert answer.json()["type"].endswith("link-expired")
        await served.engine.delete_session("polly")
        assert (await served.client.get(path)).status_code == 404
        assert (await served.client.post("/v1/sessions/polly/pair-link", json={})).status_code == 401


async def test_a_link_is_limited_and_its_token_stays_out_of_the_log(
    serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[Any] = []
    monkeypatch.setattr(access_log.log, "log", lambda level, text, **fields: lines.append(fields))
    monkeypatch.setattr(access_log.log, "isEnabledFor", lambda level: True)
    async with serve(key="k") as served:
        await served.add("polly", enabled=False)
        paths = [(await served.client.post("/v1/sessions/polly/pair-link", json={})).json()["path"] for _ in range(2)]
        served.client.headers.pop("Authorization")
        answers = [await served.client.get(paths[0]) for _ in range(40)]
        assert {answer.status_code for answer in answers} == {200, 429}
        assert all(int(answer.headers["retry-after"]) >= 1 for answer in answers if answer.status_code == 429)
        assert (await served.client.get(paths[1])).status_code == 200, "another link has a limit of its own"
        wrong = [(await served.client.get("/pair/" + "A" * 60)).status_code for _ in range(40)]
        assert set(wrong) == {404, 429}
        for end in (".", "/", "/x", "%0A"):  # as in a sentence that ends with the link
            await served.client.get(paths[1] + end)
        assert (await served.client.get(paths[1])).status_code == 200, "wrong links do not hold up others"
    shown = [line["path"] for line in lines if line["path"].startswith("/pair")]
    assert set(shown) == {"/pair/..."}


async def with_reason(engine: Engine, reason: Reason) -> None:
    await until_found(lambda: engine.get_session("polly"), lambda session: session.health.reason is reason)


async def test_a_link_says_what_its_owner_can_do(serve: Any) -> None:
    async with serve(key="k") as served:
        await served.add("polly")
        await served.engine.wait_status("polly", "CONNECTED")
        path = (await served.client.post("/v1/sessions/polly/pair-link", json={})).json()["path"]
        inbox = served.parrot.inboxes["polly"]
        for reason, words in (("PASSKEY_REQUIRED", "passkey"), ("QR_EXPIRED", "has stopped")):
            inbox.report(SessionStatus.DISCONNECTED, Reason(reason), "for the operator")
            await with_reason(served.engine, Reason(reason))
            page = (await served.client.get(path)).text
            assert words in page
            assert "for the operator" not in page


@pytest.mark.parametrize(
    ("key", "now", "valid"), [("k", 99.0, True), ("k", 100.0, False), ("other", 99.0, False), (None, 99.0, False)]
)
def test_a_token_is_signed_and_expires(key: str | None, now: float, valid: bool) -> None:
    text = pair_tokens.make(pair_tokens.PairToken("shop", 1, 50, 100), "k")
    assert (pair_tokens.read(text, key, now=now) is not None) is valid
