"""Calls: who is calling, and how the call ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..addresses import GROUP, bare
from .found import found
from .places import account
from .reporter import Reporter


def call_event(state: str, report: str | None = None) -> Callable[[Reporter, Any], None]:
    """A handler for one kind of report: a call is offered, ringing, accepted or ended. `report` distinguishes two kinds
    that lead to the same state."""

    def handler(client: Reporter, event: Any) -> None:
        meta = event.basicCallMeta
        origin = getattr(meta, "from")  # a keyword of Python
        caller = account(client, meta.callCreator, meta.callCreatorAlt, origin)
        group = _group(event.data)
        chat = bare(origin) if origin.Server == GROUP else group or str(caller["id"])
        body: dict[str, Any] = {
            "call_id": meta.callID,
            "state": state,
            "video": _is_video(event),
            "group": group,
            "caller": caller,
            "sender": caller,
            "origin": bare(origin),
            "reason": getattr(event, "reason", "") or None,
        }
        if event.DESCRIPTOR.fields_by_name.get("callRemoteMeta") is not None:
            remote = event.callRemoteMeta
            body["platform"], body["version"] = remote.remotePlatform or None, remote.remoteVersion or None
        # Seconds in some reports, milliseconds in others.
        at = meta.timestamp / 1000 if meta.timestamp > 1e11 else float(meta.timestamp)
        key = f"call:{meta.callID}:{report or state}:{bare(origin)}"
        client.store(found("call", key, at, chat, str(caller["id"]), body, event))

    return handler


def on_unknown_call(client: Reporter, event: Any) -> None:
    """A report about a call that the library has no type for, for example a rejection."""
    node = event.node
    inner = node.Nodes[0] if node.Nodes else node
    outer, attributes = _attributes(node), _attributes(inner)
    call_id = attributes.get("call-id", "")
    sender = outer.get("from", "")
    body = {
        "call_id": call_id,
        "state": {"reject": "rejected", "terminate": "ended"}.get(inner.Tag, inner.Tag or "unknown"),
        "reason": attributes.get("reason"),
        "sender": {"id": sender or None},
    }
    at = float(outer["t"]) if outer.get("t", "").isdigit() else 0.0
    key = f"call:{call_id}:{inner.Tag}:{sender}:{outer.get('id', '')}"
    client.store(found("call", key, at, sender or None, sender or None, body, event))


def _attributes(node: Any) -> dict[str, str]:
    return {
        each.name: bare(each.jid) if each.HasField("jid") else each.text or str(each.integer) for each in node.Attrs
    }


def _is_video(event: Any) -> bool:
    if event.DESCRIPTOR.fields_by_name.get("media") is not None:
        return bool(event.media == "video")
    return any(child.Tag == "video" for child in event.data.Nodes)


def _group(data: Any) -> str | None:
    return next((bare(each.jid) for each in data.Attrs if each.name == "group-jid" and each.HasField("jid")), None)
