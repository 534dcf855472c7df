"""One connection of one session: a neonize client from start to end.

The library runs its event handlers one after another on the thread that called `connect`, so a handler that waits
delays the next event. States: starting → pairing (shows QR codes) → live → ended. A client that is still pairing is
never stopped, only disconnected: when its codes run out, the library looks it up once more, and would crash if it were
missing. The client then stays behind in the library, as do parts of every other client; `Host.leftovers` counts them.
"""

from __future__ import annotations

import ctypes
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from neonize._binder import ProxySettings, gocode
from neonize.client import NewClient

from ..protocol import Notice, Start
from . import network
from .addresses import USER, bare, parse_jid, text_of
from .channel import Channel, EngineGone
from .events import unreadable
from .events.found import Found
from .gate import Gated, MapGate
from .loading.library_log import LibraryLog
from .new_client import new_client
from .other_forms import OtherForms
from .reports import Reports
from .unstored import Unstored

QUIET = 0.08
"""Seconds without an event after which a disconnected client has handed over everything it had received."""

DRAINING = 1.2
"""Maximum seconds that a stop waits for this silence."""

PASSKEY = "passkey"
"""The start of the library's message when linking needs the account's passkey."""

PREDECESSOR = 30.0
"""Seconds that a start waits for the session's previous client to end."""


class Client:
    """One client. The `Host` makes and owns it, and the host's threads call it; the engine assigns `number`."""

    def __init__(
        self, start: Start, channel: Channel, gate: MapGate, on_end: Callable[[Client], None], before: Client | None
    ) -> None:
        self.number = start.client
        self.session = start.session
        self.gone = threading.Event()
        self.usable = False  # the library knows the client: calls may look it up
        self._start = start
        self._channel = channel
        self.gate = gate
        self._on_end = on_end
        self._before = before
        self._lock = threading.Lock()
        self.live = False  # the client has an account: calls that need one are allowed
        self._stop_asked = False
        self._stopping = False
        self._ended = False
        self._change = 0
        self._success_call = 0
        self.unstored = Unstored(
            start.client,
            channel,
            start.unstored,
            start.unstored_keys,
            lambda words: self.tell("unstored", {"why": words}),
        )
        self._reports = Reports(self, start.history, self._on_live)
        self._other_forms = OtherForms(self._ask_other_form)
        self._paired_anew = start.jid is None
        self.log = LibraryLog()
        self.library = self._make()
        self.gated: Any = Gated(
            self.library,
            gate,
            lambda: self.usable,
            binary=Gated(gocode, gate, lambda: self.usable),
            contact=Gated(self.library.contact, gate, lambda: self.usable),
        )
        """The library, for calls from other threads: each call looks up the client."""

    def _make(self) -> NewClient:
        client = new_client(self._start)
        client.qr(self._on_qr)
        client._NewClient__onLoginStatus = self._on_login_status
        self._reports.subscribe(client)
        return client

    # The client's lifecycle

    def begin(self) -> None:
        """Start connecting in a separate thread. Notices report the progress; the last one is `ended`."""
        threading.Thread(target=self._run, name=f"client {self.number}", daemon=True).start()

    def _run(self) -> None:
        error = ""
        try:
            if self._before is not None:
                self._before.gone.wait(PREDECESSOR)
            self.unstored.recover()
            network.check_reachable(self._start.proxy)
            with self._lock:
                if self._stop_asked:
                    return
            self._change = self.gate.begin_change()
            try:
                with self.log:
                    self._connect()
            finally:
                self.gate.end_change(self._change)
        except Exception as problem:
            error = network.without_secrets(str(problem), self._start)
            self._explain(error)
        finally:
            # Even after a failed start, the maps keep the client.
            with self._lock:
                tidy = self._change and not self._stopping
                self._stopping = True
                self.usable = False
            if tidy:
                with self.gate.change():
                    self.library.stop()
            self._end(error)

    def _connect(self) -> None:
        """Run the library; returns when it has ended. Raises its errors.

        After an error of its own the library reports nothing more, but its connection stays open and acknowledges further
        messages, which would be lost. So close it first.
        """
        try:
            self.library.connect(ProxySettings(self._start.proxy) if self._start.proxy else None)
        except Exception:
            if self.usable:
                self._disconnect()
            raise

    def _disconnect(self) -> bool:
        """Disconnect. False if the library may no longer have the client: a call would then crash the whole process."""
        with self.gate.call():  # the check is inside, because the client may be stopped during the wait for the gate
            if usable := self.usable:
                self.library.disconnect()
        return usable

    def _explain(self, error: str) -> None:
        """Report the unknown value from WhatsApp because of which the library ended this client."""
        if unknown := unreadable.UNKNOWN_VALUE.search(error):
            detail = {"form": unknown[1], "reason": self.log.failure or 0, "seconds": self.log.expires}
            if unknown[1] not in unreadable.LOGINS:
                with suppress(EngineGone):
                    self.store(unreadable.lost(unknown[1], error))
            self.tell("unknown_value", detail | {"field": unknown[2], "message": ""})

    def stop(self) -> None:
        """Disconnect, hand over all received events, and end. Returns at once."""
        with self._lock:
            if self._stop_asked:
                return
            self._stop_asked = True
            ready = self.usable
        if ready:
            threading.Thread(target=self._stop, name=f"stop {self.number}", daemon=True).start()

    def hang_up(self) -> None:
        """The engine is silent: disconnect, and keep all received events in the file. May wait for the disk."""
        if self.usable:
            threading.Thread(target=self._disconnect, daemon=True).start()
        self.unstored.drain()

    def _stop(self) -> None:
        if not self._disconnect():
            return  # the client has already ended
        if not self.live:
            self._end("")
            return
        self.unstored.drain()
        deadline = time.monotonic() + DRAINING
        while time.monotonic() < deadline and not self._reports.quiet(QUIET):
            time.sleep(0.01)
        self.unstored.wait_empty(max(0.0, deadline - time.monotonic()))
        with self._lock:
            if self._stopping:
                return
            self._stopping = True
            self.usable = False
        self.unstored.close()  # a handler that still waits would keep the library's call from returning
        with self.gate.change():
            self.library.stop()

    def _end(self, error: str) -> None:
        with self._lock:
            self.usable = False
            if self._ended:
                return
            self._ended = True
        self.unstored.wait_empty(DRAINING)
        kept, lost = self.unstored.close()
        self.gone.set()
        self._on_end(self)
        self.tell("ended", {"error": error, "kept": kept, "lost": lost})

    # Callbacks of the library while it connects

    def _on_qr(self, _: NewClient, code: bytes) -> None:
        self.gate.end_change(self._change)
        self._become_usable()
        self.tell("qr", {"code": code.decode()})

    def _on_login_status(self, number: int, status: int) -> None:
        text = ctypes.string_at(status).decode()
        if text == "success":
            # The library looks up this client again as soon as this returns.
            self._success_call = self.gate.begin()
        else:
            if text == "error" and self.log.passkey:
                text = f"{PASSKEY}-error"
            self.tell("qr_ended", {"status": text})
            if text.startswith(PASSKEY):  # the library stays connected and waits for an answer
                self.stop()
            else:
                self._end("")

    def _on_live(self, me: Any) -> None:
        self.library.me = me
        self.gate.end_change(self._change)
        self.gate.end(self._success_call)
        self.live = True
        jid, lid = text_of(me.JID), text_of(me.LID)
        self.tell("paired" if self._paired_anew else "opened", {"jid": jid, "lid": lid, "name": me.PushName or ""})
        self._become_usable()

    def _become_usable(self) -> None:
        with self._lock:
            self.usable = True
            stop = self._stop_asked and not self._stopping
        if stop:
            threading.Thread(target=self._stop, name=f"stop {self.number}", daemon=True).start()

    # Methods for handlers

    def tell(self, kind: str, detail: dict[str, Any] | None = None) -> None:
        """Send a notice. A lost engine is ignored here; other code detects it."""
        with suppress(EngineGone):
            self._channel.send(Notice(self.number, kind, detail or {}))

    def store(self, found: Found) -> None:
        """Hand an event to the engine; returns once the event would survive the end of this process. Raises EngineGone.
        While the database is unavailable, a limited number of events waits in a file; beyond it, this call blocks and so
        delays the library's next event."""
        self.unstored.put(found)

    def both_forms(self, phone: str, lid: str) -> tuple[str, str]:
        """An account's (phone, lid) addresses, the missing one from the library if it knows it. Handlers call this."""
        return self._other_forms.complete(phone, lid)

    def _ask_other_form(self, given: str, hidden: bool) -> str:
        with self.gate.call():
            if not self.usable:
                return ""
            ask = self.library.get_pn_from_lid if hidden else self.library.get_lid_from_pn
            try:
                return bare(ask(parse_jid(given)))
            except Exception:  # the library does not know the address
                return ""

    def read_vote(self, event: Any) -> list[str] | None:
        """The SHA-256 (hex) of each chosen option of a poll; None when its secret is unknown. Handlers call this."""
        with self.gate.call():
            if not self.usable:
                return None
            try:
                return [option.hex() for option in self.library.decrypt_poll_vote(event).selectedOptions]
            except Exception:  # a poll from before this device was linked
                return None

    def hang_up_without_keys(self) -> bool:
        """If the library cannot read its store, disconnect, send a notice and return True. Handlers call this."""
        with self.gate.call():
            if not self.usable:
                return False
            # Look up a made-up account, because the library caches earlier look-ups.
            made_up = parse_jid(f"0{uuid.uuid4().int}@{USER}")
            try:
                self.library.get_lid_from_pn(made_up)
            except Exception as problem:
                error = network.without_secrets(str(problem), self._start)
                self.library.disconnect()
            else:
                return False
        self.tell("keys_away", {"error": error})
        return True
