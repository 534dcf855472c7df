"""The library's reports that Rookery handles, with the handler of each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from neonize.proto import Neonize_pb2 as reports

from . import call_events, groups, messages, receipts
from .reporter import Reporter

REASONS = {1: 400, 2: 401, 3: 402, 4: 403, 5: 406, 6: 405, 7: 409, 8: 500, 9: 501, 10: 503}
"""WhatsApp's own reasons for refusing a login, by neonize's number."""


def _notice(kind: str, detail: Callable[[Any], dict[str, Any]] = lambda _: {}) -> Callable[[Reporter, Any], None]:
    def handler(client: Reporter, event: Any) -> None:
        client.tell(kind, detail(event))

    return handler


def _reason(event: Any) -> int:
    return REASONS.get(event.Reason, 0)


HANDLERS: dict[Any, Callable[[Reporter, Any], None]] = {
    reports.Connected: _notice("connected"),
    reports.Disconnected: _notice("disconnected"),
    reports.KeepAliveTimeout: _notice("keepalive_timeout", lambda e: {"errors": e.ErrorCount}),
    reports.KeepAliveRestored: _notice("keepalive_restored"),
    reports.LoggedOut: _notice("logged_out", lambda e: {"on_connect": e.OnConnect, "reason": _reason(e)}),
    reports.StreamReplaced: _notice("replaced"),
    reports.TemporaryBan: _notice("banned", lambda e: {"code": e.Code, "seconds": e.Expire}),
    reports.ClientOutdated: _notice("outdated"),
    reports.ConnectFailure: _notice("refused", lambda e: {"reason": _reason(e), "message": e.Message}),
    reports.StreamError: _notice("stream_error", lambda e: {"code": e.Code}),
    reports.Message: messages.on_message,
    reports.UndecryptableMessage: messages.on_undecryptable,
    reports.Receipt: receipts.on_receipt,
    reports.ChatPresence: receipts.on_chat_presence,
    reports.Presence: receipts.on_presence,
    reports.JoinedGroup: groups.on_joined,
    reports.GroupInfoEvent: groups.on_changed,
    reports.Picture: groups.on_picture,
    reports.CallOffer: call_events.call_event("offered"),
    reports.CallOfferNotice: call_events.call_event("offered", "offer_notice"),
    reports.CallPreAccept: call_events.call_event("ringing"),
    reports.CallAccept: call_events.call_event("accepted"),
    reports.CallTerminate: call_events.call_event("ended"),
    reports.UnknownCallEvent: call_events.on_unknown_call,
}
"""The reports that Rookery subscribes to; the library delivers no others."""
