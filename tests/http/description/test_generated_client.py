"""The description is good enough for a stranger's generator: its typed client is made, checked and used."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trio

from rookery_http.api.state import PlatformInput
from rookery_http.description.openapi import describe

KEY = "the-admin-key"
PIGEON = {"pigeon": PlatformInput(credentials={"type": "object", "additionalProperties": False})}


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory, platforms: Any) -> Path:
    """The folder that holds the package `generated_client`."""
    folder = tmp_path_factory.mktemp("client")
    description = folder / "openapi.json"
    description.write_text(json.dumps(describe(platforms | PIGEON)))
    configuration = folder / "configuration.json"
    configuration.write_text(json.dumps({"post_hooks": []}))  # its code need not be pretty
    done = subprocess.run(
        [
            *(sys.executable, "-m", "openapi_python_client", "generate", "--path", description, "--meta", "none"),
            *("--config", configuration, "--output-path", folder / "generated_client", "--fail-on-warning"),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"the generator complains:\n{done.stdout}{done.stderr}"
    return folder


@pytest.fixture
def api(generated: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """`api("sessions.list_sessions")` is a module of the generated package, `api("models")` its classes."""
    monkeypatch.syspath_prepend(generated)

    def load(name: str) -> Any:
        return importlib.import_module(
            f"generated_client.{name}" if name == "models" else f"generated_client.api.{name}"
        )

    yield load
    for name in [name for name in sys.modules if name.partition(".")[0] == "generated_client"]:
        del sys.modules[name]


@pytest.mark.slow
def test_its_types_are_right(generated: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "mypy", "--strict", "--config-file=", "--no-incremental", "-p", "generated_client"),
        ],
        cwd=generated,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


async def test_it_works_with_a_real_server(serve: Any, api: Any) -> None:
    models = api("models")
    client_module = importlib.import_module("generated_client")
    async with serve(key=KEY, others=PIGEON) as served:
        client = client_module.AuthenticatedClient(base_url=served.url, token=KEY, httpx_args={"trust_env": False})
        async with client:
            with trio.fail_after(40):
                await _sessions_and_sends(client, api, models, served)
                await _webhooks(client, api, models)
                await _pages_of_events(client, api, served)


async def _sessions_and_sends(client: Any, api: Any, models: Any, served: Any) -> None:
    body = models.CreateParrot(
        platform="parrot", id="polly", name="Polly", credentials=models.ParrotCredentials(token="1:abc")
    )
    made = await api("sessions.create_session").asyncio(client=client, body=body)
    assert isinstance(made, models.Session)
    assert (made.id, made.enabled, made.has_credentials) == ("polly", True, True)
    again = await api("sessions.create_session").asyncio(client=client, body=body)
    assert isinstance(again, models.Problem)
    assert (again.status, again.field) == (409, "id")
    await served.engine.wait_status("polly", "CONNECTED")
    [shown] = (await api("sessions.list_sessions").asyncio(client=client)).sessions
    assert shown.status is models.SessionStatus.CONNECTED
    changed = await api("sessions.update_session").asyncio(
        "polly", client=client, body=models.ChangeSession(name="Jack")
    )
    assert (changed.name, changed.enabled) == ("Jack", True)
    history = await api("sessions.session_history").asyncio("polly", client=client)
    assert models.SessionStatus.CONNECTED in {change.status for change in history.history}
    for content in (
        models.SendText(to="7", text="hi"),
        models.SendImage(to=7, type_=models.SendImageType.PHOTO, url="https://example.org/a.png", caption="a"),
        models.SendLocation(to="7", type_=models.SendLocationType.LOCATION, latitude=52.5, longitude=13.4),
    ):
        sent = await api("messages.send_message").asyncio("polly", client=client, body=content, idempotency_key="k")
        expected = models.Message if isinstance(content, models.SendText) else models.Problem  # the key was used
        assert isinstance(sent, expected), sent
    page = await api("messages.list_messages").asyncio("polly", client=client, limit=1)
    [message] = page.messages
    assert (message.state, message.receipt.message_id) == (models.MessageState.SENT, "1")
    assert (await api("messages.get_message").asyncio(message.id, client=client)) == message


async def _webhooks(client: Any, api: Any, models: Any) -> None:
    made = await api("webhooks.create_webhook").asyncio(
        client=client, body=models.CreateWebhook(url="http://127.0.0.1:9/x", session="polly", events=["message"])
    )
    assert made.secret.startswith("whsec_")
    changed = await api("webhooks.update_webhook").asyncio(
        made.id, client=client, body=models.ChangeWebhook(enabled=False, events=None)
    )
    assert (changed.enabled, changed.events) == (False, None)
    rotated = await api("webhooks.rotate_webhook_secret").asyncio(made.id, client=client)
    assert rotated.secret not in (None, made.secret)
    listed = await api("webhooks.list_webhooks").asyncio(client=client, session="polly")
    assert [webhook.id for webhook in listed.webhooks] == [made.id]
    assert (await api("webhooks.delete_webhook").asyncio(made.id, client=client)).deleted is True
    gone = await api("webhooks.get_webhook").asyncio(made.id, client=client)
    assert isinstance(gone, models.Problem)
    assert gone.status == 404


async def _pages_of_events(client: Any, api: Any, served: Any) -> None:
    for number in range(5):
        await served.parrot.say("polly", f"m{number}")
    texts, after = [], 0
    while after is not None:
        page = await api("events.read_events").asyncio(
            client=client, after=after, session="polly", type_="message", limit=2
        )
        texts += [event.body["text"] for event in page.events]
        after = page.next_
    assert texts == [f"m{number}" for number in range(5)]
