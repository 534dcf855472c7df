"""What reports become, without a connection: every kind of message, mutated bytes, the library's errors."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from rookery_whatsapp.worker.calls.failures import kind_of_download, status_of
from support.storage import LONG

BENCH = Path(__file__).parents[3] / "bench"
TESTS = Path(__file__).parents[2]


def problems(*plant: str) -> list[str]:
    """The faults in the descriptions of messages; `plant` breaks something first."""
    command = [sys.executable, "-m", "support.message_kinds", *plant]
    done = subprocess.run(command, cwd=TESTS, capture_output=True, text=True, check=True)
    *found, end = done.stdout.splitlines()
    assert end == "done"
    return found


def test_every_kind_of_message_says_what_it_is_also_inside_others() -> None:
    assert problems() == []


@pytest.mark.parametrize(
    ("plant", "found"),
    [
        ("new wrapper", "newestMessage: holds a message in `message`, but is no wrapper"),
        ("new content", "newestMessage: not in the table"),
        ("new holder", "newestMessage: holds a message in `message`, but is no wrapper"),
        ("wrapper forgotten", "lottieStickerMessage: holds a message in `message`, but is no wrapper"),
        ("kind forgotten", "pollCreationMessageV5: unknown"),
        ("holder forgotten", "commentMessage: holds a message in `message`, but is no wrapper"),
        ("service forgotten", "groupRootKeyShare: unknown"),
        ("protocol type forgotten", "protocolMessage SHARED_DEVICE_CONTACT_HASH_KEY_REQUEST"),
        ("nameless kind", "imageMessage: kind ''"),
        ("lost text", "a text in 1 wrappers: "),
    ],
)
def test_a_message_that_is_not_understood_is_found(plant: str, found: str) -> None:
    assert any(line.startswith(found) for line in problems(plant))


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
