"""What people do to a simulated bot: buttons, payments, joining, votes, reactions, albums; and what its answers do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from rookery_simulator.bot_api import People, open_bot_api_simulator
from support.clients.bot_api_client import TOKEN, BotClient, open_bot_client

GROUP = -1_001_234_567_890
STALE = "Bad Request: query is too old and response timeout expired or query ID is invalid"
KEYBOARD = {
    "inline_keyboard": [[{"text": "Yes", "callback_data": "y"}, {"text": "Site", "url": "https://example.org"}]]
}
EVERY_KIND = [
    "message",
    "chat_member",
    "my_chat_member",
    "chat_join_request",
    "poll",
    "poll_answer",
    "message_reaction",
]
QUERIES = ["callback_query", "pre_checkout_query", "shipping_query", "inline_query"]


@asynccontextmanager
async def open_client(**settings: Any) -> AsyncIterator[BotClient]:
    settings = {"repeat_wait": 0, "repeat_single": 0} | settings
    async with open_bot_api_simulator(**settings) as simulator, open_bot_client(simulator) as client:
        await client.result("getUpdates", allowed_updates=[*EVERY_KIND, *QUERIES])
        yield client


async def updates(client: BotClient) -> list[tuple[str, dict[str, Any]]]:
    """Those since the last call, by kind."""
    found = await client.result("getUpdates")
    if found:
        await client.result("getUpdates", offset=found[-1]["update_id"] + 1)
    return [(kind, update[kind]) for update in found for kind in update if kind != "update_id"]


async def act(client: BotClient, name: str, **body: Any) -> Any:
    return await client.control("POST", f"/bots/{TOKEN}/{name}", body)


async def refused(client: BotClient, name: str, **body: Any) -> str:
    answer = await client.http.post(f"/control/bots/{TOKEN}/{name}", json=body)
    assert answer.status_code == 400
    return str(answer.json()["description"])


async def test_a_pressed_button_is_answered_once() -> None:
    async with open_client() as client:
        sent = await client.result("sendMessage", chat_id=7, text="Tea?", reply_markup=KEYBOARD)
        id = await act(client, "press", data="y", chat_id=7)
        [(kind, query)] = await updates(client)
        assert (kind, query["id"], query["data"], query["from"]["id"]) == ("callback_query", id, "y", 7)
        assert query["message"]["message_id"] == sent["message_id"]
        assert await client.result("answerCallbackQuery", callback_query_id=id) is True
        assert await client.error("answerCallbackQuery", callback_query_id=id) == (400, STALE)
        assert "does not have a button 'n'" in await refused(client, "press", data="n", chat_id=7)
        assert "mesage_id" in await refused(client, "press", data="y", chat_id=7, mesage_id=1)


async def test_a_checkout_that_is_answered_late_fails() -> None:
    async with open_client(checkout_seconds=-1.0) as client:
        await client.result("sendInvoice", chat_id=7, **INVOICE)
        order = People(client.bot).pay(chat_id=7)
        [(_, query)] = await updates(client)
        assert await client.error("answerPreCheckoutQuery", pre_checkout_query_id=query["id"], ok=True) == (400, STALE)
        assert (order.charge, await updates(client)) == ("", [])


INVOICE: dict[str, Any] = {
    "title": "Tea",
    "description": "A pot",
    "payload": "tea-1",
    "currency": "XTR",
    "prices": [{"label": "Tea", "amount": 5}],
}


async def test_stars_are_paid_and_refunded_once() -> None:
    async with open_client() as client:
        message = await client.result("sendInvoice", chat_id=7, **INVOICE)
        assert message["invoice"]["total_amount"] == 5
        assert message["reply_markup"]["inline_keyboard"][0][0]["pay"] is True
        await act(client, "pay", chat_id=7)
        [(kind, query)] = await updates(client)
        assert (kind, query["total_amount"], query["invoice_payload"]) == ("pre_checkout_query", 5, "tea-1")
        await client.result("answerPreCheckoutQuery", pre_checkout_query_id=query["id"], ok=True)
        assert await client.error("answerPreCheckoutQuery", pre_checkout_query_id=query["id"], ok=True) == (400, STALE)
        [(_, paid)] = await updates(client)
        payment = paid["successful_payment"]
        assert (paid["chat"]["id"], payment["total_amount"], payment["invoice_payload"]) == (7, 5, "tea-1")
        charge = {"user_id": 7, "telegram_payment_charge_id": payment["telegram_payment_charge_id"]}
        assert await client.result("getMyStarBalance") == {"amount": 5}
        assert await client.error("refundStarPayment", **charge | {"user_id": 8}) == (
            400,
            "Bad Request: CHARGE_ID_INVALID",
        )
        await client.result("refundStarPayment", **charge)
        assert await client.error("refundStarPayment", **charge) == (400, "Bad Request: CHARGE_ALREADY_REFUNDED")
        [(_, back)] = await updates(client)
        assert back["refunded_payment"]["telegram_payment_charge_id"] == charge["telegram_payment_charge_id"]
        assert await client.result("getMyStarBalance") == {"amount": 0}
        transactions = (await client.result("getStarTransactions"))["transactions"]
        assert [("source" in one, one["amount"]) for one in transactions] == [(True, 5), (False, 5)]


async def test_a_refused_checkout_and_a_shipped_order() -> None:
    async with open_client() as client:
        people = People(client.bot)
        prices = [{"label": "Pot", "amount": 900}, {"label": "Tax", "amount": 100}]
        euros = INVOICE | {"currency": "EUR", "prices": prices, "provider_token": "t", "is_flexible": True}
        await client.result("sendInvoice", chat_id=7, **euros)
        order = people.pay(chat_id=7, order_info={"name": "Ann"})
        [(kind, query)] = await updates(client)
        assert (kind, query["invoice_payload"]) == ("shipping_query", "tea-1")
        options = [{"id": "fast", "title": "Fast", "prices": [{"label": "Post", "amount": 250}]}]
        await client.result("answerShippingQuery", shipping_query_id=query["id"], ok=True, shipping_options=options)
        [(kind, query)] = await updates(client)
        assert (kind, query["total_amount"], query["shipping_option_id"]) == ("pre_checkout_query", 1250, "fast")
        id = query["id"]
        missing = (400, 'Bad Request: parameter "error_message" is required')
        assert await client.error("answerPreCheckoutQuery", pre_checkout_query_id=id, ok=False) == missing
        await client.result("answerPreCheckoutQuery", pre_checkout_query_id=id, ok=False, error_message="sold out")
        assert (order.failure, order.charge, await updates(client)) == ("sold out", "", [])


@pytest.mark.parametrize(
    ("change", "description"),
    [
        ({"title": ""}, 'Bad Request: parameter "title" is required'),
        ({"prices": [{"label": "a", "amount": 1}, {"label": "b", "amount": 2}]}, "Bad Request: STARS_INVOICE_INVALID"),
        ({"currency": "EUR"}, "Bad Request: PAYMENT_PROVIDER_INVALID"),
        ({"currency": "E"}, "Bad Request: CURRENCY_INVALID"),
        ({"payload": "x" * 129}, "Bad Request: INVOICE_PAYLOAD_INVALID"),
    ],
)
async def test_invoices_that_cannot_be(change: dict[str, Any], description: str) -> None:
    async with open_client() as client:
        assert await client.error("sendInvoice", chat_id=7, **INVOICE | change) == (400, description)
        assert "does not have an invoice" in await refused(client, "pay", chat_id=7)


async def test_albums_in_both_directions() -> None:
    async with open_client() as client:
        await act(client, "album", count=3, chat_id=7, caption="Look")
        parts = [message for _, message in await updates(client)]
        assert [len({part["media_group_id"] for part in parts}), len(parts)] == [1, 3]
        assert [part.get("caption") for part in parts] == ["Look", None, None]
        media = [{"type": "photo", "media": part["photo"][0]["file_id"], "caption": "c"} for part in parts[:2]]
        sent = await client.result("sendMediaGroup", chat_id=7, media=media)
        assert len({message["media_group_id"] for message in sent}) == 1
        assert [message["message_id"] for message in sent] == [4, 5]
        assert len(client.bot.sent) == 1
        for wrong, description in (
            ([], "Bad Request: there are no messages to send"),
            (media * 6, "Bad Request: too many messages to send as an album"),
            ([media[0], {"type": "audio", "media": "x"}], "Bad Request: wrong file identifier/HTTP URL specified"),
            ([{"type": "poll", "media": "x"}], "Bad Request: can't parse InputMedia: invalid media type specified"),
        ):
            assert await client.error("sendMediaGroup", chat_id=7, media=wrong) == (400, description)
        mixed = [media[0], {"type": "document", "media": media[0]["media"]}]
        text = "Bad Request: document can't be mixed with other media types"
        assert await client.error("sendMediaGroup", chat_id=7, media=mixed) == (400, text)


async def test_an_upload_in_an_album() -> None:
    async with open_client() as client:
        media = '[{"type": "photo", "media": "attach://a"}, {"type": "video", "media": "attach://b"}]'
        files = {"a": ("a.png", b"png"), "b": ("b.mp4", b"mp4")}
        response = await client.http.post(
            f"/bot{TOKEN}/sendMediaGroup", data={"chat_id": 7, "media": media}, files=files
        )
        photo, video = response.json()["result"]
        assert (photo["photo"][-1]["file_size"], video["video"]["file_name"]) == (3, "b.mp4")


async def test_forwards_keep_their_origin_and_copies_do_not() -> None:
    async with open_client() as client:
        client.bot.push_text("hello", chat_id=7)
        await act(client, "album", count=2, chat_id=7)
        forwarded = await client.result("forwardMessage", chat_id=8, from_chat_id=7, message_id=1)
        assert forwarded["text"] == "hello"
        assert forwarded["forward_origin"]["sender_user"]["id"] == 7
        again = await client.result("forwardMessage", chat_id=9, from_chat_id=8, message_id=forwarded["message_id"])
        assert again["forward_origin"] == forwarded["forward_origin"]
        copied = await client.result("copyMessage", chat_id=9, from_chat_id=7, message_id=2, caption="mine")
        message = client.bot.messages[9, copied["message_id"]]
        assert (message["caption"], "forward_origin" in message, message["from"]["is_bot"]) == ("mine", False, True)
        ids = await client.result("copyMessages", chat_id=9, from_chat_id=7, message_ids=[1, 2, 3, 99])
        copies = [client.bot.messages[9, one["message_id"]] for one in ids]
        groups = [copy.get("media_group_id") for copy in copies]
        assert len(ids) == 3
        assert groups[0] is None
        assert groups[1] == groups[2] != client.bot.messages[7, 2]["media_group_id"]
        for method, wrong, description in (
            ("forwardMessage", {"message_id": 99}, "Bad Request: message to forward not found"),
            ("copyMessage", {"message_id": 99}, "Bad Request: message to copy not found"),
            ("forwardMessages", {"message_ids": [99]}, "Bad Request: there are no messages to forward"),
            ("copyMessages", {"message_ids": []}, "Bad Request: message identifiers are not specified"),
        ):
            assert await client.error(method, chat_id=8, from_chat_id=7, **wrong) == (400, description)
        secret = await client.result("sendMessage", chat_id=7, text="secret", protect_content=True)
        description = "Bad Request: message can't be forwarded"
        call = {"chat_id": 8, "from_chat_id": 7, "message_id": secret["message_id"]}
        assert await client.error("forwardMessage", **call) == (400, description)


async def test_the_life_of_a_topic() -> None:
    async with open_client() as client:
        assert await client.error("createForumTopic", chat_id=GROUP, name="News") == (
            400,
            "Bad Request: the chat is not a forum",
        )
        await act(client, "chat", chat_id=GROUP, is_forum=True, title="Forum")
        topic = await client.result("createForumTopic", chat_id=GROUP, name="News", icon_color=16766590)
        thread = {"chat_id": GROUP, "message_thread_id": topic["message_thread_id"]}
        sent = await client.result("sendMessage", text="in it", **thread)
        assert (sent["message_thread_id"], sent["is_topic_message"]) == (topic["message_thread_id"], True)
        await client.result("editForumTopic", name="Old news", **thread)
        await client.result("closeForumTopic", **thread)
        assert await client.error("closeForumTopic", **thread) == (400, "Bad Request: TOPIC_NOT_MODIFIED")
        await act(client, "appoint", chat_id=GROUP, user_id=client.bot.id, status="member")
        assert await client.error("sendMessage", text="a", **thread) == (400, "Bad Request: TOPIC_CLOSED")
        text = "Bad Request: not enough rights to manage topics"
        assert await client.error("reopenForumTopic", **thread) == (400, text)
        await act(client, "appoint", chat_id=GROUP, user_id=client.bot.id, status="administrator")
        await client.result("reopenForumTopic", **thread)
        await client.result("deleteForumTopic", **thread)
        assert await client.error("sendMessage", text="a", **thread) == (400, "Bad Request: message thread not found")
        assert (GROUP, sent["message_id"]) not in client.bot.messages
        await client.result("hideGeneralForumTopic", chat_id=GROUP)
        kinds = [kind for kind, _ in await updates(client)]
        assert kinds == ["my_chat_member", "my_chat_member"], "a bot gets no update of its own service messages"


async def test_members_come_change_and_go() -> None:
    async with open_client() as client:
        await act(client, "join", chat_id=GROUP, user_id=5)
        assert [kind for kind, _ in await updates(client)] == ["chat_member", "message"]
        assert (await client.result("getChatMember", chat_id=GROUP, user_id=5))["status"] == "member"
        assert (await client.result("getChatMember", chat_id=GROUP, user_id=6))["status"] == "left"
        assert await client.result("getChatMemberCount", chat_id=GROUP) == 2
        permissions = {"can_send_messages": True}
        await client.result("restrictChatMember", chat_id=GROUP, user_id=5, permissions=permissions)
        [(kind, update)] = await updates(client)
        new = update["new_chat_member"]
        assert (kind, update["old_chat_member"]["status"], update["from"]["id"]) == (
            "chat_member",
            "member",
            client.bot.id,
        )
        assert (new["status"], new["is_member"], new["can_send_messages"], new["can_send_polls"]) == (
            "restricted",
            True,
            True,
            False,
        )
        await client.result("promoteChatMember", chat_id=GROUP, user_id=5, can_pin_messages=True)
        administrators = await client.result("getChatAdministrators", chat_id=GROUP)
        assert [one["user"]["id"] for one in administrators] == [5, client.bot.id]
        assert administrators[0]["can_pin_messages"] is True
        await client.result("banChatMember", chat_id=GROUP, user_id=5)
        assert "banned" in await refused(client, "join", chat_id=GROUP, user_id=5)
        await client.result("unbanChatMember", chat_id=GROUP, user_id=5, only_if_banned=True)
        statuses = [update["new_chat_member"]["status"] for _, update in await updates(client)]
        assert statuses == ["administrator", "kicked", "left"]
        await client.result("banChatMember", chat_id=GROUP, user_id=7)
        await client.result("banChatMember", chat_id=GROUP, user_id=7)
        assert len(await updates(client)) == 1, "what changes nothing is no update"


@pytest.mark.parametrize(
    ("method", "parameters", "description"),
    [
        ("banChatMember", {"chat_id": 7, "user_id": 5}, "can't ban members in private chats"),
        ("restrictChatMember", {"chat_id": -5, "user_id": 5}, "method is available only for supergroups"),
        (
            "promoteChatMember",
            {"chat_id": -5, "user_id": 5},
            "method is available for supergroup and channel chats only",
        ),
        ("promoteChatMember", {"chat_id": GROUP, "user_id": 5, "can_pin_messages": True}, "USER_NOT_PARTICIPANT"),
        ("banChatMember", {"chat_id": GROUP, "user_id": 123456}, "can't restrict self"),
        ("banChatMember", {"chat_id": GROUP, "user_id": 1}, "can't remove chat owner"),
        ("banChatMember", {"chat_id": GROUP}, "invalid user_id specified"),
        ("approveChatJoinRequest", {"chat_id": GROUP, "user_id": 5}, "HIDE_REQUESTER_MISSING"),
        ("approveChatJoinRequest", {"chat_id": GROUP, "user_id": 1}, "USER_ALREADY_PARTICIPANT"),
    ],
)
async def test_members_that_cannot_be_changed(method: str, parameters: dict[str, Any], description: str) -> None:
    async with open_client() as client:
        await act(client, "appoint", chat_id=GROUP, user_id=1, status="creator")
        extra: dict[str, Any] = {"permissions": {}} if method.startswith("restrict") else {}
        assert await client.error(method, **parameters, **extra) == (400, f"Bad Request: {description}")


async def test_a_request_to_join_is_approved_or_declined() -> None:
    async with open_client() as client:
        await act(client, "join", chat_id=GROUP, user_id=5, request=True, bio="tea")
        await act(client, "join", chat_id=GROUP, user_id=6, request=True)
        found = await updates(client)
        assert [(kind, one["from"]["id"], one.get("bio")) for kind, one in found] == [
            ("chat_join_request", 5, "tea"),
            ("chat_join_request", 6, None),
        ]
        await client.result("approveChatJoinRequest", chat_id=GROUP, user_id=5)
        await client.result("declineChatJoinRequest", chat_id=GROUP, user_id=6)
        (_, change), (_, message) = await updates(client)
        assert (change["via_join_request"], change["new_chat_member"]["status"]) == (True, "member")
        assert message["new_chat_members"][0]["id"] == 5
        error = await client.error("declineChatJoinRequest", chat_id=GROUP, user_id=6)
        assert error == (400, "Bad Request: HIDE_REQUESTER_MISSING")


async def test_votes_reactions_and_pins() -> None:
    async with open_client() as client:
        poll = await client.result("sendPoll", chat_id=GROUP, question="?", options=["a", "b"], is_anonymous=False)
        await act(client, "vote", options=[1], chat_id=GROUP, from_id=5)
        (_, state), (_, answer) = await updates(client)
        assert [option["voter_count"] for option in state["options"]] == [0, 1]
        assert (answer["option_ids"], answer["user"]["id"]) == ([1], 5)
        assert "one answer" in await refused(client, "vote", options=[0, 1], chat_id=GROUP)
        stopped = await client.result("stopPoll", chat_id=GROUP, message_id=poll["message_id"])
        assert (stopped["is_closed"], stopped["total_voter_count"]) == (True, 1)
        assert "closed" in await refused(client, "vote", options=[0], chat_id=GROUP)
        await act(client, "react", emoji="👍", chat_id=GROUP, from_id=5)
        [(kind, reaction)] = await updates(client)
        assert (kind, reaction["new_reaction"][0]["emoji"]) == ("message_reaction", "👍")
        await client.result("pinChatMessage", chat_id=GROUP, message_id=poll["message_id"])
        await client.result("unpinChatMessage", chat_id=GROUP)
        error = await client.error("unpinChatMessage", chat_id=GROUP)
        assert error == (400, "Bad Request: message to unpin not found")
