"""Any method of the Bot API through a session: nothing is lost, added or waits behind sends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from rookery import Engine, MessageState, SessionStatus, open_engine
from rookery.errors import (
    CallRefused,
    InvalidInput,
    MethodForbidden,
    NotConnected,
    NotFound,
    OutcomeUnknown,
    SendRateLimited,
)
from rookery.store.open import MemoryStore
from rookery_telegram import Telegram
from rookery_telegram.bot_api.methods import OTHER, catalogue, check_method
from support.bot_api.method_log import MethodLog, Received, open_method_log
from support.telegram_engine import QUICK, TOKEN, UNLIMITED
from support.waiting import until

KEYBOARD = {"inline_keyboard": [[{"text": "Yes", "callback_data": "y"}]]}
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("getMe2", {}),
    ("sendMessage", {"chat_id": 7, "text": "media:is not a file here", "reply_markup": KEYBOARD}),
    (
        "sendPhoto",
        {"chat_id": "@shop", "photo": "AgACfile", "caption_entities": [{"type": "bold", "offset": 0, "length": 1}]},
    ),
    ("sendMediaGroup", {"chat_id": 7, "media": [{"type": "photo", "media": "a"}, {"type": "video", "media": "b"}]}),
    ("sendPaidMedia", {"chat_id": 7, "star_count": 5, "media": [{"type": "photo", "media": "a"}]}),
    ("sendInvoice", {"chat_id": 7, "title": "Tea", "prices": [{"label": "Tea", "amount": 5}], "currency": "XTR"}),
    ("sendPoll", {"chat_id": 7, "question": "?", "options": [{"text": "a"}, {"text": "b"}], "correct_option_ids": [1]}),
    ("sendChecklist", {"business_connection_id": "b", "chat_id": 7, "checklist": {"title": "t", "tasks": []}}),
    ("sendGame", {"chat_id": 7, "game_short_name": "chess"}),
    ("sendGift", {"user_id": 7, "gift_id": "g", "pay_for_upgrade": True}),
    ("sendSticker", {"chat_id": 7, "sticker": "CAACfile", "message_effect_id": "5104841245755180586"}),
    ("sendDice", {"chat_id": 7, "emoji": "🎲"}),
    ("sendLocation", {"chat_id": 7, "latitude": 52.5, "longitude": 13.25, "live_period": 60}),
    ("sendVenue", {"chat_id": 7, "latitude": 52.5, "longitude": 13.25, "title": "Bar", "address": "Street"}),
    ("sendContact", {"chat_id": 7, "phone_number": "+1", "first_name": "Ann", "vcard": "BEGIN:VCARD"}),
    ("copyMessages", {"chat_id": 7, "from_chat_id": -5, "message_ids": [1, 2, 3]}),
    ("forwardMessages", {"chat_id": 7, "from_chat_id": "@x", "message_ids": [1]}),
    ("answerCallbackQuery", {"callback_query_id": "4382", "text": "Thank you", "show_alert": True, "cache_time": 0}),
    ("answerInlineQuery", {"inline_query_id": "1", "results": [{"type": "article", "id": "1", "title": "ä"}]}),
    ("answerPreCheckoutQuery", {"pre_checkout_query_id": "1", "ok": False, "error_message": "sold out"}),
    ("answerShippingQuery", {"shipping_query_id": "1", "ok": True, "shipping_options": [{"id": "a", "prices": []}]}),
    ("answerWebAppQuery", {"web_app_query_id": "1", "result": {"type": "article", "id": "1"}}),
    ("setMyCommands", {"commands": [{"command": "start", "description": "Begin"}], "scope": {"type": "default"}}),
    ("getMyCommands", {"language_code": "de"}),
    ("setChatMenuButton", {"chat_id": 7, "menu_button": {"type": "commands"}}),
    ("getChat", {"chat_id": -1001234567890}),
    ("getChatMember", {"chat_id": -1001234567890, "user_id": 5}),
    ("banChatMember", {"chat_id": -1001234567890, "user_id": 5, "until_date": 0, "revoke_messages": True}),
    ("restrictChatMember", {"chat_id": -1001234567890, "user_id": 5, "permissions": {"can_send_messages": False}}),
    ("promoteChatMember", {"chat_id": -1001234567890, "user_id": 5, "can_post_messages": None}),
    ("createChatInviteLink", {"chat_id": -1001234567890, "name": "a b", "member_limit": 1}),
    ("approveChatJoinRequest", {"chat_id": -1001234567890, "user_id": 5}),
    ("pinChatMessage", {"chat_id": 7, "message_id": 3, "disable_notification": True}),
    ("createForumTopic", {"chat_id": -1001234567890, "name": "News", "icon_color": 7322096}),
    ("editMessageReplyMarkup", {"chat_id": 7, "message_id": 3, "reply_markup": {"inline_keyboard": []}}),
    ("editMessageMedia", {"inline_message_id": "i", "media": {"type": "photo", "media": "a", "caption": "c"}}),
    ("deleteMessages", {"chat_id": 7, "message_ids": [1, 2]}),
    (
        "setMessageReaction",
        {"chat_id": 7, "message_id": 3, "reaction": [{"type": "emoji", "emoji": "x"}], "is_big": True},
    ),
    ("createInvoiceLink", {"title": "Tea", "subscription_period": 2592000, "prices": [{"label": "Tea", "amount": 1}]}),
    ("refundStarPayment", {"user_id": 5, "telegram_payment_charge_id": "c"}),
    ("getStarTransactions", {"offset": 0, "limit": 100}),
    ("readBusinessMessage", {"business_connection_id": "b", "chat_id": 7, "message_id": 3}),
    ("postStory", {"business_connection_id": "b", "content": {"type": "photo", "photo": "a"}, "active_period": 86400}),
    ("aMethodOfTomorrow", {"chat_id": 7, "nested": {"a": [1, 2.5, None, {"b": "c"}]}, "empty": ""}),
]


@asynccontextmanager
async def opened(**fields: Any) -> AsyncIterator[tuple[Engine, MethodLog]]:
    async with open_method_log() as log:
        telegram = Telegram(api_url=log.url, poll_timeout=20, rates=fields.pop("rates", UNLIMITED))
        async with open_engine(providers=[telegram], store=MemoryStore(), settings=QUICK) as engine:
            await engine.create_session(id="shop", platform="telegram", credentials={"token": TOKEN}, **fields)
            with trio.fail_after(30):
                await engine.wait_status("shop", SessionStatus.CONNECTED)
                await log.polling.wait()
            yield engine, log


async def test_every_method_arrives_with_exactly_its_parameters_and_its_answer_comes_back() -> None:
    async with opened() as (engine, log):
        results = {
            "aMethodOfTomorrow": [1, 2.5, None, {"deep": {"er": "ü"}}],
            "getMyCommands": [],
            "setMyCommands": True,
            "getStarTransactions": 9007199254740993,
        }

        def answer(call: Received) -> tuple[int, Any]:
            return 200, {"ok": True, "result": results.get(call.method, {"message_id": 1})}

        log.answer = answer
        for method, params in CALLS:
            assert await engine.call("shop", method, params) == results.get(method, {"message_id": 1}), method
        assert [(call.method, call.params, call.files) for call in log.calls] == [(*call, {}) for call in CALLS]


async def test_every_method_arrives_from_the_queue_as_well() -> None:
    """`to` fills `chat_id` where a method takes one and was given none; nothing else is added. Answers to queries overtake
    the others."""
    async with opened() as (engine, log):
        log.answer = lambda call: (200, {"ok": True, "result": True})
        sends = [
            await engine.submit("shop", to=7, type="telegram", method=method, params=params) for method, params in CALLS
        ]
        with trio.fail_after(30):
            for message in sends:
                assert (await engine.wait_message(message.id, 20)).state is MessageState.SENT
        known = catalogue().methods
        assert len(log.calls) == len(CALLS)
        arrived = {call.method: call.params for call in log.calls}
        for method, params in CALLS:
            takes_chat = method not in known or "chat_id" in known[method]
            assert arrived[method] == ({"chat_id": 7} if takes_chat else {}) | params, method
        in_order = [call.method for call in log.calls if not call.method.startswith("answer")]
        assert in_order == [method for method, _ in CALLS if not method.startswith("answer")]


async def test_files_travel_in_parts_of_their_own() -> None:
    async with opened() as (engine, log):
        stored = [
            await engine.store_media(b"content %d" % n, content_type=f"image/x{n}", filename=f"{n}.x") for n in (0, 1)
        ]
        ids = [f"media:{file.id}" for file in stored]
        await engine.call("shop", "sendPhoto", {"chat_id": 7, "photo": ids[0], "caption": ids[1]})
        media = [
            {"type": "photo", "media": ids[0], "caption": "a"},
            {"type": "video", "media": ids[1], "thumbnail": ids[0]},
        ]
        await engine.call("shop", "sendMediaGroup", {"chat_id": 7, "media": media})
        await engine.call("shop", "sendDocument", {"chat_id": 7, "document": "BQACfile", "thumbnail": ids[1]})
        photo, group, document = log.calls
        assert photo.files == {"photo": ("0.x", "image/x0", b"content 0")}
        assert photo.params == {"chat_id": 7, "caption": ids[1]}, "a caption is never a file"
        assert group.params == {
            "chat_id": 7,
            "media": [
                {"type": "photo", "media": "attach://file0", "caption": "a"},
                {"type": "video", "media": "attach://file1", "thumbnail": "attach://file2"},
            ],
        }
        assert group.files == {
            "file0": ("0.x", "image/x0", b"content 0"),
            "file1": ("1.x", "image/x1", b"content 1"),
            "file2": ("0.x", "image/x0", b"content 0"),
        }
        assert document.files == {"thumbnail": ("1.x", "image/x1", b"content 1")}
        assert document.params == {"chat_id": 7, "document": "BQACfile"}
        message = await engine.submit("shop", to=7, type="telegram", method="sendVideo", params={"video": ids[1]})
        assert (await engine.wait_message(message.id, 20)).state is MessageState.SENT
        assert log.calls[-1].files == {"video": ("1.x", "image/x1", b"content 1")}
        with pytest.raises(NotFound, match="media"):
            await engine.call("shop", "sendPhoto", {"chat_id": 7, "photo": "media:none"})
        with pytest.raises(NotFound, match="media"):
            await engine.submit("shop", to=7, type="telegram", method="sendPhoto", params={"photo": "media:none"})


@pytest.mark.parametrize("method", ["getUpdates", "setWebhook", "deleteWebhook", "logOut", "close", "GETUPDATES"])
async def test_methods_that_would_break_the_session_are_refused(method: str) -> None:
    async with opened() as (engine, log):
        with pytest.raises(MethodForbidden, match=method):
            await engine.call("shop", method, {})
        with pytest.raises(MethodForbidden, match=method):
            await engine.submit("shop", to=7, type="telegram", method=method)
        assert log.calls == []


async def test_what_the_platform_answers_reaches_the_caller() -> None:
    async with opened() as (engine, log):

        def refuse(status: int, **fields: Any) -> None:
            log.answer = lambda call: (status, {"ok": False, "error_code": status, **fields})

        refuse(400, description="Bad Request: chat not found", parameters={"migrate_to_chat_id": -100})
        with pytest.raises(CallRefused, match="chat not found") as refused:
            await engine.call("shop", "getChat", {"chat_id": 1})
        assert (refused.value.error_code, refused.value.parameters) == (400, {"migrate_to_chat_id": -100})
        refuse(404, description="Not Found: method not found")
        with pytest.raises(NotFound, match="did you mean sendMessage"):
            await engine.call("shop", "sendMesage", {})
        refuse(403, description="Forbidden: bot was blocked by the user")
        with pytest.raises(CallRefused) as refused:
            await engine.call("shop", "sendMessage", {"chat_id": 7, "text": "x"})
        assert refused.value.error_code == 403
        log.answer = lambda call: (502, "<html>Bad Gateway</html>")
        with pytest.raises(OutcomeUnknown):
            await engine.call("shop", "getChat", {"chat_id": 1})


async def test_a_flood_pause_is_kept_for_its_chat_and_for_the_whole_bot() -> None:
    async with opened() as (engine, log):
        flood = {"ok": False, "error_code": 429, "description": "Too Many", "parameters": {"retry_after": 30}}
        log.answer = lambda call: (429, flood) if call.params.get("chat_id") == 7 else (200, {"ok": True, "result": 1})
        for _ in range(2):
            with pytest.raises(SendRateLimited) as limited:
                await engine.call("shop", "sendMessage", {"chat_id": 7, "text": "x"})
            assert 29 < limited.value.retry_after <= 30
        assert len(log.calls) == 1, "the second one did not leave"
        assert await engine.call("shop", "sendMessage", {"chat_id": 8, "text": "x"}) == 1
        log.answer = lambda call: (429, flood)
        with pytest.raises(SendRateLimited):
            await engine.call("shop", "getMyName", {})
        with pytest.raises(SendRateLimited):
            await engine.call("shop", "sendMessage", {"chat_id": 9, "text": "x"})
        assert len(log.calls) == 3


async def test_impossible_calls_are_refused() -> None:
    async with opened() as (engine, _):
        with pytest.raises(NotFound, match="session"):
            await engine.call("nobody", "getChat", {})
        for name in ("get Chat", "../getMe", "", "x" * 65, "getChat\r\nX: y"):
            with pytest.raises(NotFound, match="method"):
                await engine.call("shop", name, {})
        with pytest.raises(InvalidInput, match="type"):
            await engine.submit("shop", to=7, type="call", platform="telegram", method="logOut")
        await engine.stop("shop")
        await until(lambda: "shop" not in engine.running_here(), seconds=30)
        with pytest.raises(NotConnected, match="DISCONNECTED"):
            await engine.call("shop", "getChat", {"chat_id": 1})


async def test_calls_are_counted_under_a_bounded_set_of_names() -> None:
    async with opened() as (engine, log):
        await engine.call("shop", "GETCHAT", {"chat_id": 1})
        log.answer = lambda call: (400, {"ok": False, "error_code": 400, "description": "no"})
        for number in range(5):
            with pytest.raises(CallRefused):
                await engine.call("shop", f"invented{number}", {})
        assert dict(engine.telemetry.counters["calls"]) == {
            ("telegram", "getChat", "ok"): 1,
            ("telegram", OTHER, "refused"): 5,
        }
    assert check_method("sendmessage") == "sendMessage"


async def test_a_call_does_not_wait_behind_queued_sends() -> None:
    """The queue is stuck at its first send, whose answer does not come; a callback is answered nevertheless."""
    from rookery_telegram import Rates

    async with opened(rates=Rates(overall=1, per_chat=0.01, per_group=0)) as (engine, log):
        for number in range(50):
            await engine.submit("shop", to=7, text=f"{number}")
        with trio.fail_after(10):
            await engine.call("shop", "answerCallbackQuery", {"callback_query_id": "1"})
        assert log.calls[-1].method == "answerCallbackQuery"
        assert sum(call.method == "sendMessage" for call in log.calls) <= 3


@pytest.mark.parametrize("kind", ["image/png\r\nX: y", "image/png\n", "image", "", "a/b\x00", "ä/b"])
async def test_a_media_type_cannot_write_headers(kind: str) -> None:
    """Neither as a field of a message nor as that of a stored file."""
    async with opened() as (engine, log):
        with pytest.raises(InvalidInput, match="mime_type"):
            await engine.submit("shop", to=7, type="image", data="aGk=", mime_type=kind)
        assert log.calls == []


async def test_an_edit_that_changes_nothing_is_sent() -> None:
    async with opened() as (engine, log):
        description = "Bad Request: message is not modified: specified new message content is exactly the same"
        log.answer = lambda call: (400, {"ok": False, "error_code": 400, "description": description})
        receipt = await engine.send("shop", to=7, type="edit", message_id="3", text="same")
        assert (receipt.message_id, receipt.chat) == ("3", "7")


async def test_after_a_migration_nothing_points_to_a_message_of_the_old_group() -> None:
    async with opened() as (engine, log):

        def answer(call: Received) -> tuple[int, Any]:
            if call.params["chat_id"] == -5:
                parameters = {"migrate_to_chat_id": -1005}
                return 400, {"ok": False, "error_code": 400, "description": "upgraded", "parameters": parameters}
            return 200, {"ok": True, "result": {"message_id": 1, "date": 1, "chat": {"id": -1005}}}

        log.answer = answer
        await engine.send("shop", to=-5, text="hi", reply_to="9", options={"protect_content": True})
        assert log.calls[-1].params == {"chat_id": -1005, "text": "hi", "protect_content": True}
        message = await engine.submit("shop", to=-5, type="delete", message_id="9")
        done = await engine.wait_message(message.id, 20)
        assert (done.state, "supergroup" in (done.error or "")) == (MessageState.FAILED, True)
        assert all(call.method != "deleteMessage" or call.params["chat_id"] == -5 for call in log.calls)


async def test_the_service_updates_of_a_migration_alone_tell_it_once() -> None:
    async with opened() as (engine, log):
        group, supergroup = {"id": -5, "type": "group"}, {"id": -1005, "type": "supergroup"}
        common = {"message_id": 1, "date": 1_700_000_000, "from": {"id": 5, "is_bot": False, "first_name": "Ann"}}
        log.updates += [
            {"update_id": 1, "message": common | {"chat": group, "migrate_to_chat_id": -1005}},
            {"update_id": 2, "message": common | {"chat": supergroup, "migrate_from_chat_id": -5}},
            {"update_id": 3, "message": common | {"chat": supergroup, "text": "end"}},
        ]
        found = []
        with trio.fail_after(30):
            async for event in engine.events(after=0):
                found.append(event)
                if event.body.get("text") == "end":
                    break
        migrated = [event for event in found if event.type == "chat_migrated"]
        assert [(event.chat, event.body) for event in migrated] == [("-5", {"from": "-5", "to": "-1005"})]
