"""The methods of the simulated Bot API and the words in which they refuse."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from rookery_simulator.bot_api import open_bot_api_simulator
from support.clients.bot_api_client import TOKEN, BotClient, open_bot_client


@asynccontextmanager
async def open_client(**settings: Any) -> AsyncIterator[BotClient]:
    async with open_bot_api_simulator(**settings) as simulator, open_bot_client(simulator) as client:
        yield client


@pytest.mark.parametrize(
    ("path", "status", "description"),
    [
        ("/bot123:short/getMe", 200, None),
        ("/bot123:abc/getMe", 404, "Not Found"),
        ("/botnonsense/getMe", 404, "Not Found"),
        ("/bot0:AAbbCCddEEff/getMe", 404, "Not Found"),
        (f"/bot{TOKEN}/nosuchmethod", 404, "Not Found: method not found"),
        (f"/bot{TOKEN}", 404, "Not Found: method not found"),
        (f"/bot{TOKEN}/GETME", 200, None),
        (f"/bot{TOKEN.replace(':', '%3A')}/getMe", 200, None),
        ("/", 404, "Not Found"),
        (f"/file/bot{TOKEN}/documents/none", 404, "Not Found"),
    ],
)
async def test_paths(path: str, status: int, description: str | None) -> None:
    async with open_client() as client:
        response = await client.http.get(path)
        assert response.status_code == status
        assert response.json().get("description") == description


async def test_only_registered_tokens_exist_without_auto_register() -> None:
    async with open_client(auto_register=False) as client:
        assert await client.error("getMe") == (401, "Unauthorized")
        assert client.bot.token == TOKEN, "asking for a bot registers it"
        await client.result("getMe")


async def test_send_message_answers_the_message_and_logs_the_send() -> None:
    async with open_client() as client:
        client.bot.push_text("question", chat_id=7)
        keyboard = {"inline_keyboard": [[{"text": "yes", "callback_data": "y"}]]}
        message = await client.result(
            "sendMessage", chat_id="7", text="answer", reply_parameters={"message_id": 1}, reply_markup=keyboard
        )
        assert message["message_id"] == 2
        assert message["chat"] == {"id": 7, "first_name": "User 7", "type": "private"}
        assert message["from"]["is_bot"] is True
        assert message["reply_to_message"]["text"] == "question"
        assert message["reply_markup"] == keyboard
        (sent,) = client.bot.sent
        assert (sent.method, sent.chat_id, sent.text, sent.message_id) == ("sendMessage", 7, "answer", 2)
        hidden = await client.result("sendMessage", chat_id=7, text="x", reply_markup=json.dumps({"force_reply": True}))
        assert "reply_markup" not in hidden


@pytest.mark.parametrize(
    ("parameters", "description"),
    [
        ({"chat_id": 1}, "message text is empty"),
        ({"chat_id": 1, "text": " \n"}, "text must be non-empty"),
        ({"chat_id": 1, "text": "x" * 4097}, "message is too long"),
        ({"chat_id": 1, "text": "x", "parse_mode": "rtf"}, "unsupported parse_mode"),
        ({"text": "x"}, "chat_id is empty"),
        ({"chat_id": "me", "text": "x"}, "chat not found"),
        ({"chat_id": 0, "text": "x"}, "chat not found"),
        ({"chat_id": "@x", "text": "x"}, "chat not found"),
        ({"chat_id": 1, "text": "x", "reply_markup": "{"}, "object expected as reply markup"),
        ({"chat_id": 1, "text": "x", "reply_to_message_id": 99}, "message to be replied not found"),
        ({"chat_id": 1, "text": "x", "reply_parameters": {"message_id": "y"}}, "message to be replied not found"),
    ],
)
async def test_what_send_message_refuses(parameters: dict[str, Any], description: str) -> None:
    async with open_client() as client:
        assert await client.error("sendMessage", **parameters) == (400, f"Bad Request: {description}")
        assert not client.bot.sent


async def test_what_send_message_accepts_at_the_edge() -> None:
    async with open_client() as client:
        await client.result("sendMessage", chat_id=1, text="😀" * 4096, parse_mode="html")
        await client.result("sendMessage", chat_id="@channel", text="x")
        message = await client.result(
            "sendMessage",
            chat_id=-1001234567890,
            text="x",
            message_thread_id=4,
            reply_parameters={"message_id": 99, "allow_sending_without_reply": True},
        )
        assert message["chat"]["type"] == "supergroup"
        assert message["message_thread_id"] == 4


async def test_unknown_chats_can_be_refused() -> None:
    async with open_client(known_chats_only=True) as client:
        assert await client.error("sendMessage", chat_id=5, text="x") == (400, "Bad Request: chat not found")
        client.bot.push_text("hi", chat_id=5)
        await client.result("sendMessage", chat_id=5, text="x")


@pytest.mark.parametrize(
    ("chat_id", "description"),
    [
        (5, "Forbidden: bot was blocked by the user"),
        (-5, "Forbidden: bot was kicked from the group chat"),
        (-1001234567890, "Forbidden: bot was kicked from the supergroup chat"),
    ],
)
async def test_a_barred_chat_refuses_sends_until_it_is_opened(chat_id: int, description: str) -> None:
    async with open_client() as client:
        client.bot.block(chat_id)
        assert await client.error("sendMessage", chat_id=chat_id, text="x") == (403, description)
        assert await client.error("sendPhoto", chat_id=chat_id, photo="http://x/y.png") == (403, description)
        client.bot.block(chat_id, "Forbidden: user is deactivated")
        assert await client.error("sendChatAction", chat_id=chat_id, action="typing") == (
            403,
            "Forbidden: user is deactivated",
        )
        client.bot.unblock(chat_id)
        await client.result("sendMessage", chat_id=chat_id, text="x")


async def test_a_migrated_group_names_its_new_number() -> None:
    async with open_client() as client:
        client.bot.migrate(-5, -1001234567890)
        response = await client.call("sendMessage", chat_id=-5, text="x")
        assert response.json() == {
            "ok": False,
            "error_code": 400,
            "description": "Bad Request: group chat was upgraded to a supergroup chat",
            "parameters": {"migrate_to_chat_id": -1001234567890},
        }
        await client.result("sendMessage", chat_id=-1001234567890, text="x")


@pytest.mark.parametrize(
    ("limits", "chats"),
    [({"chat_per_second": 2}, [1, 1]), ({"bot_per_second": 3}, [1, 2, 3]), ({"group_per_minute": 2}, [-1, -1])],
)
async def test_flood_limits_tell_how_long_to_wait(limits: dict[str, float], chats: list[int]) -> None:
    async with open_client(**limits) as client:
        for chat_id in chats:
            await client.result("sendMessage", chat_id=chat_id, text="x")
        response = await client.call("sendMessage", chat_id=chats[0], text="x")
        wait = 60 if "group_per_minute" in limits else 1
        assert response.status_code == 429
        assert response.headers["Retry-After"] == str(wait)
        assert response.json()["description"] == f"Too Many Requests: retry after {wait}"
        assert response.json()["parameters"] == {"retry_after": wait}
        assert len(client.bot.sent) == len(chats)
        client.simulator.set_flood_limits()
        await client.result("sendMessage", chat_id=chats[0], text="x")


async def test_too_many_new_bots_get_a_429() -> None:
    async with (
        open_bot_api_simulator(new_bots_per_minute=1) as simulator,
        open_bot_client(simulator) as first,
        open_bot_client(simulator, "654321:AAbbCCddEE") as second,
    ):
        await first.result("getMe")
        response = await second.call("getMe")
        assert response.status_code == 429
        assert response.json()["parameters"]["retry_after"] == 60
        await first.result("getMe")


MEDIA = ["photo", "document", "video", "audio", "voice", "animation", "sticker", "video_note"]


@pytest.mark.parametrize("field", MEDIA)
async def test_media_are_uploaded_by_name_by_url_and_by_file_id(field: str) -> None:
    async with open_client() as client:
        path = f"/bot{TOKEN}/send{field.replace('_', '')}"
        uploaded = await client.http.post(path, data={"chat_id": "1"}, files={field: ("a.bin", b"\0\r\n--binary")})
        media = uploaded.json()["result"][field]
        file_id = (media[-1] if field == "photo" else media)["file_id"]
        attached = {"chat_id": "1", field: "attach://part"}
        response = await client.http.post(path, data=attached, files={"part": ("b.bin", b"attached")})
        assert response.status_code == 200, response.text
        for value in (file_id, "https://example.org/pic.png?x=1"):
            response = await client.http.post(path, json={"chat_id": 1, field: value})
            assert response.status_code == 200, response.text
        assert [sent.files for sent in client.bot.sent] == [{field: ("a.bin", 11)}, {"part": ("b.bin", 8)}, {}, {}]
        file = await client.result("getFile", file_id=file_id)
        content = await client.http.get(f"/file/bot{TOKEN}/{file['file_path']}")
        assert content.content == b"\0\r\n--binary"
        for value, description in (
            ("nonsense", "wrong file identifier/HTTP URL specified"),
            ("attach://nothing", f"there is no {field} in the request"),
            ("", f"there is no {field} in the request"),
        ):
            response = await client.http.post(path, json={"chat_id": 1, field: value})
            assert response.json()["description"] == f"Bad Request: {description}"


async def test_captions_and_files_have_limits() -> None:
    async with open_client() as client:
        url = "https://example.org/a.png"
        message = await client.result("sendPhoto", chat_id=1, photo=url, caption="x" * 1024)
        assert len(message["caption"]) == 1024
        assert await client.error("sendPhoto", chat_id=1, photo=url, caption="x" * 1025) == (
            400,
            "Bad Request: message caption is too long",
        )
        assert await client.error("getFile") == (400, "Bad Request: file_id not specified")
        assert await client.error("getFile", file_id="x") == (400, "Bad Request: invalid file_id")
        large = client.simulator.files.add(b"x" * (20 * 1024 * 1024 + 1), "large.bin")
        assert await client.error("getFile", file_id=large.file_id) == (400, "Bad Request: file is too big")


async def test_old_files_make_room() -> None:
    async with open_client(max_stored_bytes=100) as client:
        first, second = (client.simulator.files.add(b"x" * 60, f"{name}.txt") for name in "ab")
        assert await client.error("getFile", file_id=first.file_id) == (400, "Bad Request: invalid file_id")
        assert (await client.result("getFile", file_id=second.file_id))["file_size"] == 60


async def test_location_contact_poll_and_action() -> None:
    async with open_client() as client:
        location = await client.result("sendLocation", chat_id=1, latitude=48.2, longitude="16.4")
        assert location["location"] == {"latitude": 48.2, "longitude": 16.4}
        assert await client.error("sendLocation", chat_id=1, latitude=1) == (400, "Bad Request: longitude is empty")
        contact = await client.result("sendContact", chat_id=1, phone_number="+43", first_name="A", last_name="B")
        assert contact["contact"]["last_name"] == "B"
        assert await client.error("sendContact", chat_id=1, first_name="A") == (
            400,
            'Bad Request: parameter "phone_number" is required',
        )
        poll = await client.result("sendPoll", chat_id=1, question="?", options=["a", {"text": "b"}])
        assert [option["text"] for option in poll["poll"]["options"]] == ["a", "b"]
        assert poll["poll"]["is_anonymous"] is True
        for options, description in (
            (["a"], "poll must have at least 2 option"),
            ("x", "expected an Array of String as options"),
        ):
            assert await client.error("sendPoll", chat_id=1, question="?", options=options) == (
                400,
                f"Bad Request: {description}",
            )
        assert await client.result("sendChatAction", chat_id=1, action="typing") is True
        assert await client.error("sendChatAction", chat_id=1, action="sleeping") == (
            400,
            "Bad Request: wrong parameter action in request",
        )


async def test_messages_are_edited_and_deleted() -> None:
    async with open_client() as client:
        message_id = (await client.result("sendMessage", chat_id=1, text="draft"))["message_id"]
        edited = await client.result("editMessageText", chat_id=1, message_id=message_id, text="final")
        assert (edited["text"], edited["message_id"]) == ("final", message_id)
        assert edited["edit_date"] >= edited["date"]
        code, description = await client.error("editMessageText", chat_id=1, message_id=message_id, text="final")
        assert (code, description[:43]) == (400, "Bad Request: message is not modified: speci")
        assert await client.result("editMessageText", inline_message_id="x", text="y") is True
        assert await client.result("deleteMessage", chat_id=1, message_id=message_id) is True
        photo = await client.result("sendPhoto", chat_id=1, photo="https://example.org/a.png")
        captioned = await client.result("editMessageCaption", chat_id=1, message_id=photo["message_id"], caption="c")
        assert captioned["caption"] == "c"
        await client.result(
            "setMessageReaction", chat_id=1, message_id=photo["message_id"], reaction=[{"type": "emoji", "emoji": "👍"}]
        )
        actions = [(action.method, action.text) for action in client.bot.actions]
        assert actions == [
            ("editMessageText", "final"),
            ("editMessageText", "y"),
            ("deleteMessage", ""),
            ("editMessageCaption", "c"),
            ("setMessageReaction", "👍"),
        ]


@pytest.mark.parametrize(
    ("method", "parameters", "description"),
    [
        ("editMessageText", {"chat_id": 1, "message_id": 9, "text": "x"}, "message to edit not found"),
        ("editMessageText", {"text": "x"}, "message identifier is not specified"),
        ("editMessageText", {"chat_id": 1, "message_id": 1, "text": "x"}, "message can't be edited"),
        ("editMessageText", {"chat_id": 1, "message_id": 1}, "message text is empty"),
        ("editMessageCaption", {"chat_id": 1, "message_id": 9}, "message to edit not found"),
        ("deleteMessage", {"chat_id": 1, "message_id": 9}, "message to delete not found"),
        ("deleteMessage", {"chat_id": 1}, "message identifier is not specified"),
        ("deleteMessage", {"message_id": 1}, "chat identifier is not specified"),
        ("setMessageReaction", {"chat_id": 1, "message_id": 9}, "message to react not found"),
        ("setMessageReaction", {"chat_id": 1, "message_id": 1, "reaction": {}}, None),
        ("setMessageReaction", {"chat_id": 1, "message_id": 1, "reaction": "1"}, "expected an Array of ReactionType"),
        ("answerCallbackQuery", {}, "query is too old and response timeout expired or query ID is invalid"),
        ("setWebhook", {"url": "http://x"}, "bad webhook: An HTTPS URL must be provided for webhook"),
        ("setWebhook", {"url": "https://x", "secret_token": "ä"}, "secret token contains unallowed characters"),
        ("setWebhook", {"url": "https://x", "secret_token": "a" * 257}, "secret token is too long"),
        ("getChat", {}, "chat_id is empty"),
    ],
)
async def test_what_the_other_methods_refuse(method: str, parameters: dict[str, Any], description: str | None) -> None:
    async with open_client() as client:
        client.bot.push_text("from a person", chat_id=1)
        if description is None:
            assert await client.result(method, **parameters) is True
        else:
            assert await client.error(method, **parameters) == (400, f"Bad Request: {description}")


async def test_a_callback_query_is_answered_once() -> None:
    async with open_client() as client:
        await client.result("sendMessage", chat_id=4, text="press")
        client.bot.push_callback("pressed", chat_id=4)
        (update,) = await client.result("getUpdates")
        query = update["callback_query"]
        assert (query["data"], query["message"]["text"], query["from"]["id"]) == ("pressed", "press", 4)
        assert await client.result("answerCallbackQuery", callback_query_id=query["id"]) is True
        assert (await client.error("answerCallbackQuery", callback_query_id=query["id"]))[0] == 400


async def test_chats_describe_themselves() -> None:
    async with open_client() as client:
        assert (await client.result("getChat", chat_id=-5))["type"] == "group"
        client.bot.block(-5)
        assert await client.error("getChat", chat_id=-5) == (403, "Forbidden: bot was kicked from the group chat")


async def test_what_people_do_is_completed_but_not_altered() -> None:
    async with open_client() as client:
        bot = client.bot
        bot.push_message({"location": {"latitude": 1, "longitude": 2}}, chat_id=-1001234567890, from_id=8)
        bot.push_document(b"content", "report.pdf", chat_id=2, caption="see")
        bot.push_update({"message": {"message_id": 50, "date": "broken", "chat": {"id": 3}, "text": "x"}})
        bot.push_update({"message": 5})
        bot.push_update({"message": {"chat": "broken"}})
        bot.push_text("next", chat_id=3)
        with pytest.raises(ValueError, match="needs a kind"):
            bot.push_update({})
        updates = await client.result("getUpdates")
        first, second, third, fourth, fifth, last = (update["message"] for update in updates)
        assert (first["from"]["id"], first["chat"]["type"], first["message_id"]) == (8, "supergroup", 1)
        assert second["document"]["mime_type"] == "application/pdf"
        assert (third["message_id"], third["date"], fourth, fifth["chat"]) == (50, "broken", 5, "broken")
        assert last["message_id"] == 51
        file = await client.result("getFile", file_id=second["document"]["file_id"])
        assert file["file_size"] == 7


async def test_update_ids_can_restart() -> None:
    async with open_client() as client:
        before = client.bot.push_text("old")
        client.bot.restart_ids()
        after = client.bot.push_text("new")
        assert before is not None
        assert after is not None
        assert after.id != before.id + 1
        updates = await client.result("getUpdates")
        assert [update["message"]["text"] for update in updates] == ["new"]
