"""A call whose arguments have another shape, as from another version, is answered and ends nothing."""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec
import trio

from rookery import SessionStatus, open_engine
from rookery.model.instance import InstanceCall
from rookery.store.postgres.store import PostgresStore
from rookery_telegram import Telegram
from store.backends import PostgresBackend
from support.bot_api.method_log import open_method_log
from support.telegram_engine import QUICK, TOKEN, UNLIMITED
from support.waiting import until_found

ROWS = {
    "not-messagepack": b"\xc1",
    "a-list": msgspec.msgpack.encode([1, 2]),
    "no-session": msgspec.msgpack.encode({"bot": "shop"}),
    "no-method": msgspec.msgpack.encode({"session": "shop", "arguments": {}}),
    "arguments-that-are-none": msgspec.msgpack.encode({"session": "shop", "arguments": None}),
    "a-session-that-is-a-list": msgspec.msgpack.encode({"session": ["shop"], "arguments": {"method": "getMe"}}),
}


async def test_calls_of_another_shape_are_answered_and_the_next_ones_too(postgres: PostgresBackend) -> None:
    async with open_method_log() as log:

        def engine_of(name: str) -> Any:
            telegram = Telegram(api_url=log.url, poll_timeout=20, rates=UNLIMITED)
            return open_engine(providers=[telegram], store=postgres.make(), settings=QUICK, instance=name)

        store = postgres.make()
        assert isinstance(store, PostgresStore)
        async with engine_of("owner") as owner, engine_of("other") as other, store.open():
            await other.drain(0.0)  # it takes no session
            await owner.create_session(id="shop", platform="telegram", credentials={"token": TOKEN})
            with trio.fail_after(60):
                await other.wait_status("shop", SessionStatus.CONNECTED)
                for id, row in ROWS.items():
                    call = InstanceCall(id=id, owner="owner", method="call", arguments=row, seconds=20.0)
                    await store.submit_call(call)
                for id in ROWS:
                    answer = await until_found(partial(store.fetch_answer, id))
                    assert answer is not None
                    assert b"RookeryError" in answer
                log.answer = lambda call: (200, {"ok": True, "result": {"id": 7}})
                assert await other.call("shop", "getChat", {"chat_id": 7}) == {"id": 7}
