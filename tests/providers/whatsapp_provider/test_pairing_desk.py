"""Which code a session shows while it pairs, and what it says."""

from __future__ import annotations

from typing import Any

import pytest

from rookery.errors import ProviderError, TerminalError
from rookery.model.session import Action, Reason, SessionStatus
from rookery_whatsapp import WorkerSettings
from rookery_whatsapp.device.pairing import PairingDesk, phone_digits


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def time(self) -> float:
        return self.now


class Reports:
    """The part of an inbox that the desk uses."""

    def __init__(self) -> None:
        self.said: list[tuple[SessionStatus, Action, str, str | None]] = []

    @staticmethod
    def now() -> float:
        return 1_000_000.0

    def report(self, status: SessionStatus, reason: Reason, detail: str, **more: Any) -> None:
        assert reason is Reason.PAIRING
        code = more.get("code")
        self.said.append((status, more["action"], detail, None if code is None else code.code))


class Port:
    async def call(self, method: str, **arguments: Any) -> str:
        assert method == "pair_phone"
        return f"CODE-{arguments['phone'][-4:]}"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(Reports, "now", staticmethod(clock.time))
    return clock


async def test_a_code_to_type_is_shown_until_its_round_ends_and_then_said_to_have_expired(clock: Clock) -> None:
    inbox = Reports()
    desk, port = PairingDesk(inbox, WorkerSettings()), Port()  # type: ignore[arg-type]
    desk.next_round()
    desk.show(port, "qr 1")  # type: ignore[arg-type]
    assert inbox.said[-1][:2] == (SessionStatus.QR_REQUIRED, Action.SCAN_QR)
    clock.now += 5
    asked = await desk.request_code("4915100000001")
    assert (asked.code, asked.expires_at) == ("CODE-0001", 1_000_160.0)
    assert inbox.said[-1][:2] == (SessionStatus.CODE_REQUIRED, Action.ENTER_CODE)
    clock.now += 60
    desk.show(port, "qr 2")  # type: ignore[arg-type]
    assert inbox.said[-1][0] is SessionStatus.CODE_REQUIRED, "a new QR code does not replace the code to type"
    assert inbox.said[-1][3] is None, "no code is announced a second time"
    assert desk.shown == asked
    clock.now = asked.expires_at
    assert desk.shown is None or desk.shown.kind == "qr"
    desk.round_over("timeout")
    assert desk.shown is None
    desk.next_round()
    desk.show(port, "qr 3")
    status, action, detail, code = inbox.said[-1]
    assert (status, action, code) == (SessionStatus.QR_REQUIRED, Action.SCAN_QR, "qr 3")
    assert "has expired" in detail


async def test_how_a_round_ends(clock: Clock) -> None:
    desk, port = PairingDesk(Reports(), WorkerSettings()), Port()  # type: ignore[arg-type]
    desk.next_round()
    desk.show(port, "qr 1")  # type: ignore[arg-type]
    clock.now += 3
    with pytest.raises(ProviderError, match="passkey"):
        desk.round_over("timeout")  # the stream closed early: perhaps somebody scanned
    desk.show(port, "qr 2")  # type: ignore[arg-type]
    with pytest.raises(TerminalError) as caught:
        desk.round_over("passkey-request")
    assert (caught.value.reason, caught.value.action) == (Reason.PASSKEY_REQUIRED, Action.REMOVE_PASSKEY)


@pytest.mark.parametrize("text", ["+49 151 0000 0001", "49 (151) 0000-0001", " +49.151.0000/0001 "])
def test_a_number_is_taken_as_people_write_it(text: str) -> None:
    assert phone_digits(text) == "4915100000001"
