"""A bare quart-trio application on hypercorn: a constant session, its list, and a POST that reads JSON. Prints its port."""

from typing import Any

import trio
from hypercorn.config import Config
from hypercorn.trio import serve
from quart import request
from quart_trio import QuartTrio

SESSION = {
    "id": "shop",
    "platform": "telegram",
    "name": "shop",
    "enabled": True,
    "status": "CONNECTED",
    "reason": "NONE",
    "detail": "connected as @shop",
    "since": "2026-01-31T12:00:00.000Z",
    "action": "none",
    "last_error": None,
    "next_retry_at": None,
    "owner": "bench",
    "proof_of_life": {"last_pong": None, "last_inbound": None, "last_ack": None, "last_probe": None},
    "has_credentials": True,
    "settings": {},
    "metadata": {},
    "created_at": "2026-01-31T12:00:00.000Z",
    "updated_at": "2026-01-31T12:00:00.000Z",
}
app = QuartTrio(__name__)


@app.get("/v1/sessions/<id>")
async def session(id: str) -> dict[str, Any]:
    return SESSION | {"id": id}


@app.get("/v1/sessions")
async def sessions() -> dict[str, Any]:
    return {"sessions": [SESSION], "next": None}


@app.post("/v1/sessions/<id>/messages")
async def message(id: str) -> tuple[dict[str, Any], int]:
    body = await request.get_json()
    return {"id": "1", "session": id, "to": body["to"], "type": "text", "state": "queued"}, 202


async def run() -> None:
    config = Config()
    config.bind = ["127.0.0.1:0"]
    config.accesslog = None
    config.errorlog = None
    async with trio.open_nursery() as nursery:
        [address, *_] = await nursery.start(serve, app, config)
        print(f"listens on {address}", flush=True)


if __name__ == "__main__":
    trio.run(run)
