"""`POST /v1/sessions/{id}/telegram/{method}` and `rookery call`, against a server that notes every method."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import trio

from rookery_http.compose import platform_inputs
from rookery_telegram import Telegram
from support.bot_api.method_log import MethodLog, open_method_log
from support.telegram_engine import TOKEN, UNLIMITED

ADMIN = "the-admin-key"
CALL = "/v1/sessions/shop/telegram"


@asynccontextmanager
async def opened(serve: Any) -> AsyncIterator[tuple[Any, MethodLog]]:
    async with open_method_log() as log:
        telegram = Telegram(api_url=log.url, poll_timeout=20, rates=UNLIMITED)
        async with serve(key=ADMIN, providers=[telegram], others=platform_inputs()) as served:
            await served.add("shop", platform="telegram", credentials={"token": TOKEN})
            yield served, log


def refusing(status: int, **fields: Any) -> Any:
    return lambda call: (status, {"ok": False, "error_code": status, **fields})


async def client_with(served: Any, *scopes: str, **fields: Any) -> httpx.AsyncClient:
    made = await served.client.post("/v1/keys", json={"scopes": scopes} | fields)
    headers = {"Authorization": f"Bearer {made.json()['key']}"}
    return httpx.AsyncClient(base_url=served.url, headers=headers, trust_env=False)


async def test_a_call_and_its_answer(serve: Any) -> None:
    async with opened(serve) as (served, log):
        log.answer = lambda call: (200, {"ok": True, "result": {"id": 7, "first_name": "Änn", "x": [1.5, None]}})
        answer = await served.client.post(f"{CALL}/getChat", json={"chat_id": 7})
        assert (answer.status_code, answer.json()) == (
            200,
            {"result": {"id": 7, "first_name": "Änn", "x": [1.5, None]}},
        )
        assert (await served.client.post(f"{CALL}/getMyName")).status_code == 200
        assert [(call.method, call.params) for call in log.calls] == [("getChat", {"chat_id": 7}), ("getMyName", {})]


async def test_an_uploaded_file_in_a_call(serve: Any) -> None:
    async with opened(serve) as (served, log):
        stored = await served.client.post("/v1/media", content=b"\x89PNG", headers={"Content-Type": "image/png"})
        file = f"media:{stored.json()['id']}"
        answer = await served.client.post(f"{CALL}/sendPhoto", json={"chat_id": 7, "photo": file})
        assert answer.status_code == 200, answer.text
        [call] = log.calls
        assert (call.params, call.files["photo"][1:]) == ({"chat_id": 7}, ("image/png", b"\x89PNG"))
        answer = await served.client.post(f"{CALL}/sendPhoto", json={"chat_id": 7, "photo": "media:nothing"})
        assert answer.status_code == 404


async def test_refusals(serve: Any) -> None:
    async with opened(serve) as (served, log):
        log.answer = refusing(400, description="Bad Request: nope", parameters={"migrate_to_chat_id": -100})
        answer = await served.client.post(f"{CALL}/getChat", json={"chat_id": 7})
        assert answer.status_code == 422
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["platform"] == {
            "error_code": 400,
            "description": "Bad Request: nope",
            "parameters": {"migrate_to_chat_id": -100},
        }
        log.answer = refusing(404, description="Not Found: method not found")
        answer = await served.client.post(f"{CALL}/sendMesage", json={})
        assert answer.status_code == 404
        assert "sendMessage" in answer.json()["detail"]
        log.answer = refusing(429, description="Too Many Requests: retry after 3", parameters={"retry_after": 3})
        answer = await served.client.post(f"{CALL}/getChat", json={"chat_id": 8})
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "3")
        log.answer = lambda call: (502, "<html>")
        answer = await served.client.post(f"{CALL}/getChat", json={"chat_id": 9})
        assert answer.status_code == 504
        assert TOKEN not in answer.text
        for method in ("getUpdates", "setWebhook", "deleteWebhook", "logOut", "close"):
            answer = await served.client.post(f"{CALL}/{method}", json={})
            assert (answer.status_code, answer.json()["field"]) == (403, "method"), answer.text
        for path in ("/v1/sessions/nobody/telegram/getChat", f"{CALL}/get%2FChat", f"{CALL}/get%0D%0AChat"):
            assert (await served.client.post(path, json={})).status_code == 404, path
        await served.add("polly")
        assert (await served.client.post("/v1/sessions/polly/telegram/getChat", json={})).status_code == 404
        assert (await served.client.post(f"{CALL}/getChat", json=[])).status_code == 400


async def test_the_scope_and_the_audit_log(serve: Any) -> None:
    async with opened(serve) as (served, log):
        durable = {"to": "7", "type": "telegram", "method": "banChatMember", "params": {"user_id": 5}}
        for scope in ("read", "send", "manage"):
            async with await client_with(served, scope) as client:
                assert (await client.post(f"{CALL}/getChat", json={"chat_id": 7})).status_code == 403
                assert (await client.post("/v1/sessions/shop/messages", json=durable)).status_code == 403
        async with await client_with(served, "call", sessions=["other"]) as client:
            assert (await client.post(f"{CALL}/getChat", json={"chat_id": 7})).status_code == 404
        async with await client_with(served, "call", "send", sessions=["shop"]) as client:
            assert (await client.post(f"{CALL}/getChat", json={"chat_id": 7})).status_code == 200
            assert (await client.post("/v1/sessions/shop/messages", json=durable)).status_code == 200
            stored = await served.engine.store_media(b"x")  # of no session: not for a key that is bound to one
            body = {"chat_id": 7, "photo": f"media:{stored.id}"}
            assert (await client.post(f"{CALL}/sendPhoto", json=body)).status_code == 404
        assert [(call.method, call.params) for call in log.calls] == [
            ("getChat", {"chat_id": 7}),
            ("banChatMember", {"chat_id": 7, "user_id": 5}),
        ]
        audited = [(entry.call, entry.target, entry.outcome) for entry in await served.engine.read_audit()]
        assert ("call_telegram", "getChat", 200) in audited
        assert ("send_message", "banChatMember", 200) in audited
        metrics = (await served.client.get("/metrics")).text
        assert 'rookery_calls_total{method="getChat",outcome="ok",platform="telegram"} 1.0' in metrics


async def test_a_stored_call_is_shown_as_it_was_asked_for(serve: Any) -> None:
    async with opened(serve) as (served, log):
        log.answer = lambda call: (200, {"ok": True, "result": {"message_id": 5, "date": 1, "chat": {"id": 7}}})
        body = {"to": "7", "type": "telegram", "method": "sendInvoice", "params": {"title": "Tea"}}
        headers = {"Idempotency-Key": "tea"}
        for _ in range(2):
            answer = await served.client.post("/v1/sessions/shop/messages", json=body, headers=headers)
            assert (answer.status_code, answer.json()["type"], answer.json()["state"]) == (200, "telegram", "sent")
            assert answer.json()["receipt"]["message_id"] == "5"
        assert [call.method for call in log.calls] == ["sendInvoice"]
        answer = await served.client.post("/v1/sessions/shop/messages", json=body | {"method": "getUpdates"})
        assert answer.status_code == 403
        answer = await served.client.post("/v1/sessions/shop/messages", json=body | {"parms": {}})
        assert (answer.status_code, answer.json()["field"]) == (400, "parms")
        answer = await served.client.post("/v1/sessions/shop/messages", json={"to": "7", "type": "telegram"})
        assert (answer.status_code, answer.json()["field"]) == (400, "method")


async def test_the_command(serve: Any) -> None:
    async with opened(serve) as (served, log):
        log.answer = lambda call: (200, {"ok": True, "result": {"id": 7}})
        arguments = ["call", "shop", "getChat", "chat_id=7", "flag=true", "name=a b", 'markup={"a": [1]}']
        command = [sys.executable, "-m", "rookery_http", *arguments, "--url", served.url, "--key", ADMIN]
        done = await trio.run_process(command, capture_stdout=True)
        assert json.loads(done.stdout) == {"id": 7}
        assert log.calls[0].params == {"chat_id": 7, "flag": True, "name": "a b", "markup": {"a": [1]}}
