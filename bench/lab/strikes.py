"""Everything that can go wrong at the platforms and passes: each kind of fault of both simulators, with its undoing.

What ends a session for good by design (a revoked token, a ban, an unlinked device) is not here: there a person has to act.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import psutil

from rookery_simulator.bot_api import Fault
from rookery_simulator.whatsapp import LinkedDevice, Network

from .accounts import Accounts

Undo = Callable[[], object]
Begin = Callable[[Accounts, Sequence[str]], Undo]
"""Strikes these sessions; what it returns ends the strike."""

LATE = 3600.0  # seconds: longer than anybody waits


class Strike(NamedTuple):
    """One kind of trouble. `everyone`: it cannot be limited to some sessions."""

    platform: str
    name: str
    begin: Begin
    everyone: bool = False


def _fault(**fields: Any) -> Begin:
    def begin(accounts: Accounts, sessions: Sequence[str]) -> Undo:
        faults = accounts.telegram.faults
        ids = [faults.add(Fault(token=accounts.bots[id].token, **fields)).id for id in sessions]
        return lambda: [faults.clear(id) for id in ids]

    return begin


def _whole_api(**fields: Any) -> Begin:
    def begin(accounts: Accounts, sessions: Sequence[str]) -> Undo:
        fault = accounts.telegram.faults.add(Fault(**fields))
        return lambda: accounts.telegram.faults.clear(fault.id)

    return begin


def _device(do: Callable[[LinkedDevice], object], undo: Callable[[LinkedDevice], object] | None = None) -> Begin:
    def begin(accounts: Accounts, sessions: Sequence[str]) -> Undo:
        for id in sessions:
            do(accounts.devices[id])
        return lambda: [undo(accounts.devices[id]) for id in sessions] if undo is not None else None

    return begin


def _network(state: Network) -> Begin:
    def begin(accounts: Accounts, sessions: Sequence[str]) -> Undo:
        accounts.whatsapp.set_network(state)
        return lambda: accounts.whatsapp.set_network(Network.UP)

    return begin


def _worker(number: signal.Signals) -> Begin:
    """One worker process is hit; a signal may come too late for one that has just ended."""

    def begin(accounts: Accounts, sessions: Sequence[str]) -> Undo:
        for worker in accounts.server.workers()[:1]:
            try:
                os.kill(worker.pid, number)
            except (ProcessLookupError, psutil.Error):
                continue
        return lambda: None

    return begin


def _set(name: str, value: object, normal: object) -> Begin:
    return _device(lambda device: setattr(device, name, value), lambda device: setattr(device, name, normal))


def _ignore_logins(accounts: Accounts, sessions: Sequence[str]) -> Undo:
    devices = [accounts.devices[id] for id in sessions]
    for device in devices:
        device.ignore_logins = True
        device.drop()

    def undo() -> None:
        for device in devices:
            device.ignore_logins = False
        for connection in accounts.whatsapp.connections:
            if connection not in accounts.whatsapp.world.devices:  # a server hangs up on those in the end
                connection.drop()

    return undo


TELEGRAM = [
    Strike("telegram", "delay: a poll is answered too late", _fault(kind="delay", method="getUpdates", seconds=LATE)),
    Strike("telegram", "delay: nothing is answered (a zombie)", _fault(kind="delay", seconds=LATE)),
    Strike("telegram", "delay: everything takes half a second", _fault(kind="delay", seconds=0.5)),
    Strike("telegram", "drop", _fault(kind="drop")),
    Strike("telegram", "drop, with a reset", _fault(kind="drop", reset=True)),
    Strike("telegram", "lost_answer", _fault(kind="lost_answer")),
    Strike("telegram", "status 500", _fault(kind="status", status=500)),
    Strike("telegram", "status 502, a page of HTML", _fault(kind="status", status=502)),
    Strike("telegram", "status 504, and it has happened", _fault(kind="status", status=504, is_applied=True)),
    Strike("telegram", "status 429, retry after 2 s", _fault(kind="status", status=429, retry_after=2)),
    Strike("telegram", "status 409, somebody else polls", _fault(kind="status", status=409, method="getUpdates")),
    Strike("telegram", "status 302", _fault(kind="status", status=302)),
    Strike("telegram", "not_ok", _fault(kind="not_ok")),
    Strike("telegram", "garbage", _fault(kind="garbage")),
    Strike("telegram", "truncated", _fault(kind="truncated")),
    Strike("telegram", "half_close", _fault(kind="half_close", seconds=2)),
    Strike("telegram", "the whole Bot API is down", _whole_api(kind="drop", reset=True), everyone=True),
    Strike("telegram", "the whole Bot API is a black hole", _whole_api(kind="delay", seconds=LATE), everyone=True),
]
WHATSAPP = [
    Strike("whatsapp", "connection cut", _device(LinkedDevice.drop)),
    Strike("whatsapp", "silence (a zombie)", _device(LinkedDevice.silence)),
    Strike(
        "whatsapp",
        "slow: half a second for each stanza",
        _device(lambda device: device.slow(0.5), lambda device: device.slow(0)),
    ),
    Strike("whatsapp", "a frame that is no stanza", _device(LinkedDevice.malformed)),
    Strike("whatsapp", "stream error 500", _device(lambda device: device.stream_error(500))),
    Strike("whatsapp", "stream error 503, left open", _device(lambda device: device.stream_error(503, close=False))),
    Strike("whatsapp", "stream error 515, restart", _device(lambda device: device.stream_error(515))),
    Strike("whatsapp", "stream replaced (conflict)", _device(LinkedDevice.replace)),
    Strike("whatsapp", "login refused with 400", _device(lambda device: device.refuse(400), LinkedDevice.admit)),
    Strike("whatsapp", "login refused with 503", _device(lambda device: device.refuse(503), LinkedDevice.admit)),
    Strike("whatsapp", "login not answered", _ignore_logins),
    Strike("whatsapp", "sends answered with an error", _set("send_error", 500, None)),
    Strike("whatsapp", "sends not acknowledged", _set("hold_acks", True, False)),
    Strike("whatsapp", "one-time keys lost", _device(LinkedDevice.drop_prekeys)),
    Strike("whatsapp", "network down", _network(Network.DOWN), everyone=True),
    Strike("whatsapp", "network a black hole", _network(Network.BLACK_HOLE), everyone=True),
    Strike("whatsapp", "worker process killed", _worker(signal.SIGKILL), everyone=True),
    Strike("whatsapp", "worker process frozen", _worker(signal.SIGSTOP), everyone=True),
]
ALL = [*TELEGRAM, *WHATSAPP]
ALL_NAMES = frozenset(strike.name for strike in ALL)
