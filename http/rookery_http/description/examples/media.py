"""Examples of the calls about files."""

from __future__ import annotations

from typing import Any

from .example import ByMediaType, Example

FILE: dict[str, Any] = {
    "id": "019c1410-5f00-7c3a-9b1e-2f6d3a4b5c6e",
    "session": "shop",
    "origin": "uploaded",
    "state": "stored",
    "content_type": "application/pdf",
    "filename": "invoice.pdf",
    "size": 48_213,
    "sha256": "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
    "event": None,
    "error": None,
    "created_at": "2026-01-31T12:00:00.000Z",
    "expires_at": "2026-02-07T12:00:00.000Z",
}
RECEIVED = FILE | {"id": "event-4711", "origin": "inbound", "event": 4711, "filename": "order.pdf"}
BYTES = ByMediaType(dict.fromkeys(("application/octet-stream", "*/*"), "%PDF-1.7 and so on"))
PART = ByMediaType(dict.fromkeys(("application/octet-stream", "*/*"), "%PDF"))

EXAMPLES = {
    "upload_media": Example(answers={201: FILE}),
    "list_media": Example(answers={200: {"media": [RECEIVED, FILE], "next": 7}}),
    "download_media": Example(answers={200: BYTES, 206: PART}),
    "delete_media": Example(answers={200: {"id": FILE["id"], "deleted": True}}),
    "download_event_media": Example(answers={200: BYTES, 206: PART}),
    "fetch_event_media": Example(answers={200: RECEIVED}),
}
