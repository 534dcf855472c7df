"""What reports become, without a connection: every kind of message, mutated bytes, the library's errors."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from rookery_whatsapp.worker.calls.failures import kind_of_download, status_of
from support.storage import LONG

BENCH = Path(__file__).parents[3] / "bench"

EVERY_KIND = """
from rookery_whatsapp.worker.loading import library
library.load()
from neonize.proto.waE2E.WAWebProtobufsE2E_pb2 import Message
from rookery_whatsapp.worker.events import contents, kinds

known = {*kinds.WRAPPERS, *kinds.KINDS, *kinds.SERVICE, *kinds.ENCRYPTED, *kinds.OWN_TYPES}
fields = {field.name for field in Message.DESCRIPTOR.fields}
assert known == fields, (known - fields, fields - known)
for field in Message.DESCRIPTOR.fields:
    message = Message()
    if field.message_type is None:
        setattr(message, field.name, "text")
    else:
        getattr(message, field.name).SetInParent()
    if contents.encrypted_part(message) is not None:
        continue
    type, body = contents.describe(message, "ID")
    assert type in {"message", "service_message", "edited_message", "reaction", "poll_vote"}, (field.name, type)
    assert type in {"reaction", "poll_vote"} or body["kind"] not in ("", "unknown"), (field.name, body)
    assert type != "message" or "text" in body
protocol = Message().protocolMessage
for value in protocol.DESCRIPTOR.fields_by_name["type"].enum_type.values:
    message = Message()
    message.protocolMessage.type = value.number
    message.protocolMessage.key.ID = "TARGET"
    type, body = contents.describe(message, "ID")
    assert type in {"deleted_message", "edited_message", "service_message"}
    assert value.number in kinds.PROTOCOL, value.name
print("every kind")
"""


def test_every_kind_of_message_says_what_it_is() -> None:
    done = subprocess.run([sys.executable, "-c", EVERY_KIND], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "every kind", done.stderr[-2000:]


def test_the_documentation_lists_every_kind() -> None:
    command = [sys.executable, "-m", "rookery_whatsapp.kinds_table"]
    table = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert table in (BENCH.parent / "docs/whatsapp.md").read_text(), (
        "print it anew with `python -m rookery_whatsapp.kinds_table`"
    )
    assert table.count("\n") > 100


def test_mutated_reports_become_events() -> None:
    cases = 100_000 if LONG else 1_000
    command = [sys.executable, str(BENCH / "whatsapp/fuzz.py"), "--cases", str(cases)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert f"{cases} reports" in done.stdout


URL = "https://mmg.whatsapp.net/v/t62/404?ccb=11-4&hash=403not_found&mms-type=status code 410"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (f'failed to download: Get "{URL}": dial tcp 10.0.4.3:443: i/o timeout', "not_connected"),
        (f'Get "{URL}": read tcp: connection reset by peer', "not_connected"),
        ("download failed with status code 403", "gone"),
        ("failed to download media: download failed with status code 404", "gone"),
        ("download failed with status code 410", "gone"),
        ("download failed with status code 500", "not_connected"),
        ("hash of media ciphertext doesn't match", "rejected"),
        ("didn't find any attachments in message", "rejected"),
        ("something new about a hash that was not found", "not_connected"),
    ],
)
def test_a_failed_download_is_judged_by_the_librarys_own_phrase(text: str, kind: str) -> None:
    assert kind_of_download(text) == kind


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("server returned error 463", 463),
        ("failed to get device list: info query returned status 429: rate-overlimit", 429),
        ('no LID found for "4290000000429@s.whatsapp.net" from server', None),
        ("failed to send to 491510000429@s.whatsapp.net: timed out", None),
        ('unexpected answer: "server returned error 429"', None),
    ],
)
def test_a_number_is_a_status_only_in_the_librarys_own_phrase(text: str, status: int | None) -> None:
    assert status_of(text) == status
