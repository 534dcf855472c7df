"""Every call of the API has a command, and each command makes its call."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from rookery_http.cli.application import run
from support.clients.answering import DESCRIPTION, Answering, operations

TOKEN = "123456:AAbbCC"
SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"
WITHOUT_A_COMMAND = {
    "healthz": "a probe; `rookery healthcheck` asks it",
    "readyz": "a probe",
    "openapi": "`rookery openapi` prints it without a server",
    "asyncapi": "`rookery openapi --async` prints it without a server",
    "docs": "for a browser",
    "show_pairing_page": "for the browser of a phone's owner",
    "event_socket": "`rookery events --follow` follows over the stream",
}


VERBS = ("start", "stop", "restart", "enable", "disable", "logout", "retry")
COMMANDS: dict[str, list[str]] = {
    "create_session": [
        f"sessions add shop --token {TOKEN} --wait 0",
        'sessions add a --platform whatsapp --credential account=4915112345678 --settings {"takeover":true} --wait 0',
        'sessions add --name Shop --metadata {"a":1} --disabled --wait 0 --token ' + TOKEN,
    ],
    "list_sessions": ["sessions list --platform telegram --status connected --enabled"],
    "get_session": ["sessions show shop"],
    "update_session": [
        "sessions set shop --name Shop --settings {}",
        'sessions set shop --metadata {"a":1} --token ' + TOKEN,
    ],
    "delete_session": ["sessions delete shop --yes"],
    **{f"{verb}_session": [f"sessions {verb} shop"] for verb in VERBS},
    "session_history": ["sessions history shop"],
    "session_qr": ["sessions qr shop"],
    "create_pair_link": ["sessions pair-link shop --expires-in 600"],
    "session_pairing_code": ["sessions pairing-code shop"],
    "request_pairing_code": ["sessions pairing-code shop +4915112345678"],
    "terminate_inactive": ["sessions terminate-inactive -y"],
    "send_message": [
        "send shop 7 hi",
        "send shop 7 hi --strict",
        "messages send shop 7 hi --at 2026-01-31T12:00:00Z --ttl 5 --reply-to 4 --idempotency-key k --wait 0",
        "send shop 7 look --file-url https://example.org/a.png --type image",
        "send shop 7 --media 019c1410 --type video",
        'send shop 7 --content {"type":"location","latitude":1,"longitude":2}',
    ],
    "call_telegram": [
        "call shop answerCallbackQuery callback_query_id=4382 text=hi",
        'call shop sendMessage chat_id=7 reply_markup={"inline_keyboard":[]}',
    ],
    "leave_telegram_server": ["sessions leave-server shop", "sessions leave-server shop --method close"],
    "list_contacts": ["whatsapp contacts shop --q bob"],
    "get_contact": ["whatsapp contact shop +4915112345678"],
    "get_picture": ["whatsapp picture shop +4915112345678"],
    "check_contacts": ["whatsapp check shop +4915112345678 +4915100000099"],
    "block_contact": ["whatsapp block shop +4915112345678"],
    "unblock_contact": ["whatsapp unblock shop +4915112345678"],
    "set_timer": ["whatsapp timer shop +4915112345678 604800"],
    "list_blocked": ["whatsapp blocked shop"],
    "list_groups": ["whatsapp groups shop"],
    "get_group": ["whatsapp group shop 120363000000000001@g.us"],
    "create_group": [
        "whatsapp create-group shop Friends +4915112345678 --community",
        "whatsapp create-group shop Street --parent 120363000000000001@g.us",
    ],
    "update_group": [
        "whatsapp change-group shop 120363000000000001@g.us --name Friends --description x --only-admins-send "
        f"--no-only-admins-edit --expires-in 0 --picture {__file__}"
    ],
    "change_participants": [
        f"whatsapp members shop 120363000000000001@g.us {change} +4915112345678"
        for change in ("add", "remove", "promote", "demote")
    ],
    "list_join_requests": ["whatsapp requests shop 120363000000000001@g.us"],
    "get_invite": ["whatsapp invite shop 120363000000000001@g.us"],
    "reset_invite": ["whatsapp invite shop 120363000000000001@g.us --reset"],
    "join_group": ["whatsapp join shop https://chat.whatsapp.com/AbCdEfGhIjKlMn"],
    "preview_group": ["whatsapp preview shop AbCdEfGhIjKlMn"],
    "leave_group": ["whatsapp leave shop 120363000000000001@g.us"],
    "list_channels": ["whatsapp channels shop"],
    "get_channel": ["whatsapp channel shop 120363000000000099@newsletter"],
    "follow_channel": ["whatsapp follow shop 120363000000000099@newsletter"],
    "unfollow_channel": ["whatsapp unfollow shop 120363000000000099@newsletter"],
    "get_profile": ["whatsapp profile shop"],
    "update_profile": [f"whatsapp profile shop --name Shop --about open --picture {__file__}"],
    "set_presence": ["whatsapp presence shop --state online --subscribe +4915112345678"],
    "reject_call": ["whatsapp reject shop 3EB0A9C4F1"],
    "send_batch": ['messages batch shop [{"to":"7","text":"hi"}]'],
    "list_messages": [
        "messages list shop --state queued --chat 7 --since 2026-01-31T12:00:00Z --until 2026-02-01T00:00:00Z --limit 2"
    ],
    "get_message": ["messages show 019c1410"],
    "download_message_media": ["media download 019c1410 --message"],
    "cancel_message": ["messages cancel 019c1410"],
    "list_chats": ["chats shop --search ann --limit 5"],
    "read_chat": ["chats shop 7 --search parcel --limit 5"],
    "keep_chat": ["chats shop 7 --keep 30"],
    "erase_chat": ["chats shop 7 --erase --yes"],
    "read_events": ["events --session shop --chat 7 --type message --after 0 --since 2026-01-31T12:00:00Z --limit 1"],
    "list_event_types": ["event-types"],
    "follow_events": [
        "events --follow --last 5 --limit 1 --timeout 2",
        "events --follow --after 0 --session shop --chat 7 --type message --timeout 2",
    ],
    "upload_media": ["media upload pyproject.toml --type text/plain --session shop"],
    "list_media": ["media list --session shop --origin inbound --state stored --before 9 --limit 2"],
    "download_media": ["media download 019c1410"],
    "delete_media": ["media delete 019c1410"],
    "download_event_media": ["media download 4711 --event"],
    "fetch_event_media": ["media fetch 4711"],
    "create_webhook": [
        "webhooks add https://example.org/x --session shop --events message --chat 7 --timeout 5 --replies",
        "webhooks add https://example.org/x --format cloudevents",
        f"webhooks add https://example.org/x --id w --secret {SECRET} --header X-Mine:1 --disabled",
    ],
    "test_webhook": ["webhooks test wh-1"],
    "list_webhooks": ["webhooks list --session shop"],
    "get_webhook": ["webhooks show wh-1"],
    "update_webhook": [
        "webhooks set wh-1 --all",
        "webhooks set wh-1 --format rookery --no-replies",
        "webhooks set wh-1 --endpoint https://example.org/y --header X-Mine:1 --timeout 5",
        "webhooks enable wh-1",
        "webhooks disable wh-1",
        "webhooks set wh-1 --session shop",
        "webhooks set wh-1 --all-sessions",
    ],
    "rotate_webhook_secret": [f"webhooks rotate-secret wh-1 --grace 60 --secret {SECRET}"],
    "delete_webhook": ["webhooks delete wh-1"],
    "webhook_attempts": ["webhooks attempts wh-1"],
    "dead_letters": ["webhooks dead-letters wh-1"],
    "replay": [
        "webhooks replay wh-1",
        "webhooks replay wh-1 --event 1 --session shop --since 2026-01-31T12:00:00Z --until 2026-02-01T00:00:00Z",
    ],
    "create_sink": [
        "sinks add nats://127.0.0.1:4222 --target a.{session} --session shop --events message --chat 7 --timeout 5",
        "sinks add redis://127.0.0.1:6379 --id r --disabled --commands sends",
    ],
    "list_sinks": ["sinks list --session shop"],
    "get_sink": ["sinks show sk-1"],
    "update_sink": [
        "sinks set sk-1 --all",
        "sinks set sk-1 --broker nats://127.0.0.1:4223 --target b.{type} --timeout 5",
        "sinks enable sk-1",
        "sinks disable sk-1",
        "sinks set sk-1 --session shop",
        "sinks set sk-1 --all-sessions",
        "sinks set sk-1 --commands sends.two",
        "sinks set sk-1 --no-commands",
    ],
    "delete_sink": ["sinks delete sk-1"],
    "test_sink": ["sinks test sk-1"],
    "sink_attempts": ["sinks attempts sk-1"],
    "sink_dead_letters": ["sinks dead-letters sk-1"],
    "replay_sink": [
        "sinks replay sk-1",
        "sinks replay sk-1 --event 1 --session shop --since 2026-01-31T12:00:00Z --until 2026-02-01T00:00:00Z",
    ],
    "create_key": ["keys add --scope read --session shop --id backend --days 2 --name Backend --rate 5"],
    "list_keys": ["keys list"],
    "get_key": ["keys show backend"],
    "revoke_key": ["keys revoke backend"],
    "read_audit": ["audit --of backend --session shop --limit 3"],
    "health": ["health"],
    "overview": ["overview"],
    "check_health": ["check", "check shop other"],
    "memory": ["memory"],
    "check_memory": ["memory --guard"],
    "check_recovery": ["recover"],
    "check_cleaner": ["clean"],
    "debug_tasks": ["tasks"],
    "read_log": ["logs --level WARNING --session shop --text lost --limit 5 --wait 1", "logs"],
    "list_settings": ["settings --server"],
    "doctor": ["doctor --server"],
    "list_instances": ["instances"],
    "drain": ["drain --timeout 5"],
    "metrics": ["metrics"],
}


NO_JSON = {"download_message_media", "call_telegram", "metrics", "download_media", "download_event_media"}
LINES = {"read_events", "follow_events"}


def test_every_call_has_a_command() -> None:
    names = {operation["operationId"] for _, _, operation in operations()}
    missing = names - COMMANDS.keys() - WITHOUT_A_COMMAND.keys()
    assert not missing, f"give them a command in rookery_http/cli and a line in COMMANDS here: {sorted(missing)}"
    assert not (COMMANDS.keys() | WITHOUT_A_COMMAND.keys()) - names, "these calls are no more"


@pytest.mark.parametrize(("name", "command"), [(name, line) for name, lines in COMMANDS.items() for line in lines])
def test_a_command_makes_its_call(
    server: Answering, capsys: pytest.CaptureFixture[str], name: str, command: str
) -> None:
    assert run(command.split()) == 0, capsys.readouterr().err
    assert set(server.calls) == {name}
    shown = capsys.readouterr()
    assert shown.out.strip()
    assert shown.err == ""
    assert "None" not in shown.out
    if name in NO_JSON:
        return
    assert run([*command.split(), "--json"]) == 0
    shown = capsys.readouterr()
    documents = shown.out.splitlines() if name in LINES else [shown.out]
    assert [json.loads(document) for document in documents]


def fields(schema: dict[str, Any]) -> Iterator[str]:
    """The names of what may stand in a body."""
    if "$ref" in schema:
        schema = DESCRIPTION["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    yield from schema.get("properties", ())
    for part in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        yield from fields(part)


def test_the_commands_have_the_same_reach(server: Answering, capsys: pytest.CaptureFixture[str]) -> None:
    """Every parameter and every field of the description is sent by one of the lines above."""
    for line in [line for lines in COMMANDS.values() for line in lines]:
        assert run(line.split()) == 0, capsys.readouterr().err
    possible = set()
    for _, _, operation in operations():
        name = operation["operationId"]
        if name in COMMANDS:
            possible |= {(name, item["name"]) for item in operation.get("parameters", ()) if item["in"] == "query"}
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {"schema": {}})
            if name != "send_message":  # of which --content takes everything
                possible |= {(name, field) for field in fields(body["schema"])}
    missing = {(name, field) for name, field in possible - server.told if field not in ("after", "before")}
    missing -= {("update_session", "enabled"), ("update_webhook", "secret")}  # by commands of their own
    assert not missing, "give them an option, and send it in COMMANDS"
