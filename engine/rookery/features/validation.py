"""Input checks for every caller of the engine, over HTTP or embedded."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import TYPE_CHECKING, Annotated, Any, NewType

import msgspec

from ..errors import InvalidInput
from ..model.address import HTTP_ADDRESS
from ..model.content import KINDS, Content, Text

ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}$"
_ID = re.compile(ID_PATTERN[:-1] + r"\Z")
MAX_DOCUMENT = 65_536
"""Maximum number of bytes of JSON in `settings` or `metadata`."""

MAX_GRACE = 30 * 86_400.0
"""Maximum seconds for which a webhook's previous secret signs too."""
MAX_TTL = 30 * 86_400
"""Maximum seconds until a message expires."""
MAX_TIMEOUT = 300.0
"""Maximum seconds for one delivery."""
MAX_HEADERS = 20
"""Maximum number of headers of a webhook."""
RESERVED_HEADERS = frozenset(
    {
        "host",
        "content-length",
        "content-type",
        "content-encoding",
        "transfer-encoding",
        "connection",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "upgrade",
        "expect",
    }
)
"""Headers that control where a request goes and where it ends; `webhook-...`, which identifies the sender, is reserved
as well."""

HEADER_NAME = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$"
HEADER_VALUE = r"^[ -~]{0,4096}$"

_FIELDS = {
    kind: frozenset((*(field.encode_name for field in msgspec.structs.fields(shape)), "type"))
    for kind, shape in KINDS.items()
}
CONTENT_ALIASES = {"photo": "image", "file": "document"}


def check_id(value: object, field: str = "id") -> str:
    """Check an id: 1 to 128 letters, digits and `._:@-`, beginning with a letter or digit. Raises InvalidInput."""
    if not isinstance(value, str) or not _ID.match(value):
        raise InvalidInput(
            f"{field}: an id has 1 to 128 letters, digits or any of ._:@- and begins with a letter or a digit",
            field=field,
        )
    return value


def check_text(value: object, field: str, *, least: int = 0, most: int = 256) -> str:
    """Check text of bounded length that every store can hold. Raises InvalidInput."""
    if not isinstance(value, str) or not least <= len(value) <= most:
        raise InvalidInput(f"{field}: text of {least} to {most} characters is needed", field=field)
    check_storable(value, field)
    return value


def check_storable(value: str, field: str) -> None:
    """Refuse NUL and lone surrogates: PostgreSQL cannot store them, and UTF-8 cannot encode lone surrogates. Raises
    InvalidInput."""
    if "\0" in value:
        raise InvalidInput(f"{field}: a NUL character cannot be stored", field=field)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidInput(f"{field}: half of a surrogate pair is not text", field=field) from None


def check_document(value: object, field: str) -> dict[str, Any]:
    """Check a JSON object of bounded size. Raises InvalidInput."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise InvalidInput(f"{field}: a JSON object is needed", field=field)
    document = dict(value)
    try:
        encoded = msgspec.json.encode(document)
    except (TypeError, ValueError, OverflowError, RecursionError):
        raise InvalidInput(f"{field}: only JSON values of moderate depth can be stored", field=field) from None
    check_numbers(document, encoded, field)
    if len(encoded) > MAX_DOCUMENT:
        raise InvalidInput(f"{field}: at most {MAX_DOCUMENT} bytes of JSON are stored, not {len(encoded)}", field=field)
    if b"\\u0000" in encoded and _holds_nul(document):  # the bytes alone may also be a backslash and harmless letters
        raise InvalidInput(f"{field}: a NUL character cannot be stored", field=field)
    return document


def check_numbers(document: Mapping[str, Any], encoded: bytes, field: str) -> None:
    """Check that no number of an encoded document was infinite or NaN, which JSON cannot write: it became null. Raises
    InvalidInput."""
    if b"null" in encoded and not _is_finite(document):
        raise InvalidInput(f"{field}: NaN and infinite numbers are not JSON", field=field)


def _is_finite(value: object) -> bool:
    match value:
        case float():
            return isfinite(value)
        case Mapping():
            return all(map(_is_finite, value.values()))
        case list() | tuple():
            return all(map(_is_finite, value))
    return True


def _holds_nul(value: object) -> bool:
    """True when a string or a name in an encoded document contains U+0000."""
    match value:
        case str():
            return "\0" in value
        case Mapping():
            return any(_holds_nul(name) or _holds_nul(item) for name, item in value.items())
        case list() | tuple():
            return any(map(_holds_nul, value))
    return False


def check_credentials(value: object) -> dict[str, str]:
    """Check names and secrets, both text. The message never contains a secret. Raises InvalidInput."""
    if not isinstance(value, Mapping) or not all(isinstance(k, str) and isinstance(v, str) for k, v in value.items()):
        raise InvalidInput('credentials: an object of strings is needed, such as {"token": "..."}', field="credentials")
    if len(value) > 16:
        raise InvalidInput("credentials: at most 16 entries", field="credentials")
    for key, secret in value.items():
        check_text(key, "credentials", least=1, most=64)
        check_text(secret, f"credentials.{key}", most=4096)
    return dict(value)


def check_url(value: object, field: str = "url") -> str:
    """Check an http or https address. Raises InvalidInput."""
    text = check_text(value, field, least=1, most=2048)
    if not re.fullmatch(HTTP_ADDRESS[:-1], text):
        raise InvalidInput(
            f"{field}: an http:// or https:// address in ASCII and without # is needed, such as https://example.org/rookery",
            field=field,
        )
    return text


def canonical(kind: object) -> str:
    """The kind of message that a caller's `type` names."""
    return CONTENT_ALIASES.get(kind, kind) if isinstance(kind, str) else ""


def is_known(content: Mapping[str, Any]) -> bool:
    """True when the message has a type that exists."""
    return canonical(content.get("type", "text")) in KINDS


def fields_of(content: Mapping[str, Any]) -> frozenset[str]:
    """The field names of a message of this type; for an unknown type, the names that `content` has."""
    return _FIELDS.get(canonical(content.get("type", "text"))) or frozenset(content)


def parse_content(fields: dict[str, Any]) -> Content:
    """Turn `{"type": ..., ...}` into a `Content`; without a type it is text.

    Raises:
        InvalidInput: names the field that is wrong.
    """
    kind = fields.get("type", "text")
    if isinstance(kind, str):
        kind = CONTENT_ALIASES.get(kind, kind)
    # msgspec caches what it knows of a structure but recomputes a union each time, which costs 20 times the conversion.
    target = KINDS.get(kind, Content) if isinstance(kind, str) else Content
    try:
        content: Content = msgspec.convert(fields | {"type": kind}, target)
    except msgspec.ValidationError as error:
        raise InvalidInput.from_validation(error) from None
    return content


Short = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]


class _PlainText(Text, frozen=True, forbid_unknown_fields=True, gc=False, kw_only=True):
    """The fields of a text without options, as most messages are."""

    to: Short
    reply_to: Short | None = None
    idempotency_key: Short | None = None
    options: None = None
    ttl: float | None = None
    send_at: float | None = None


# Only `plain_text` makes one, after every check of a message: calling this name is a TypeError.
if TYPE_CHECKING:
    PlainText = _PlainText  # mypy knows no new type of a structure
else:
    PlainText = NewType("PlainText", _PlainText)


def plain_text(fields: Mapping[str, Any]) -> PlainText | None:
    """The fields as a text that passes every check of a message, in one pass of C; None when something is unusual."""
    try:
        found = msgspec.convert(fields, _PlainText)
        for text in (found.to, found.text, found.reply_to, found.idempotency_key):
            if text is not None and ("\0" in text or not (text.isascii() or text.encode())):
                return None
    except (msgspec.ValidationError, ValueError):
        return None
    return found if found.ttl is None or 0 < found.ttl <= MAX_TTL else None


def check_flag(value: object) -> bool:
    """Check a boolean. Raises InvalidInput."""
    if not isinstance(value, bool):
        raise InvalidInput("enabled: true or false", field="enabled")
    return value


def check_types(value: object) -> tuple[str, ...] | None:
    """Check the event types to deliver. Raises InvalidInput."""
    if value is None:
        return None
    if isinstance(value, str) or not isinstance(value, Sequence) or not 1 <= len(value) <= 100:
        raise InvalidInput("events: a list of 1 to 100 event types, or none for all", field="events")
    return tuple(check_text(item, "events", least=1, most=64) for item in value)


def check_secret(value: object) -> str:
    """`whsec_` and base64 of 24 to 64 bytes (Standard Webhooks). Raises InvalidInput, without the secret."""
    message = "secret: `whsec_` followed by base64 of 24 to 64 random bytes is needed"
    if not isinstance(value, str) or not value.startswith("whsec_"):
        raise InvalidInput(message, field="secret")
    try:
        length = len(base64.b64decode(value[6:], validate=True))
    except (binascii.Error, ValueError):
        raise InvalidInput(message, field="secret") from None
    if not 24 <= length <= 64:
        raise InvalidInput(message, field="secret")
    return value


def check_session(value: object) -> str | None:
    """Check the session whose events are delivered. Raises InvalidInput."""
    return None if value is None else check_text(value, "session", least=1)


def check_chats(value: object) -> tuple[str, ...] | None:
    """Check the chats whose events are delivered. Raises InvalidInput."""
    if value is None:
        return None
    if isinstance(value, str) or not isinstance(value, Sequence) or not 1 <= len(value) <= 1000:
        raise InvalidInput("chats: a list of 1 to 1000 chats, or none for all", field="chats")
    return tuple(check_text(item, "chats", least=1) for item in value)


def check_headers(value: object) -> dict[str, str]:
    """Check the headers of a webhook's deliveries. The message contains no value, which may be secret. Raises
    InvalidInput."""
    if not isinstance(value, Mapping) or len(value) > MAX_HEADERS:
        raise InvalidInput(f"headers: an object of at most {MAX_HEADERS} texts by name", field="headers")
    for name, text in value.items():
        if not isinstance(name, str) or not re.fullmatch(HEADER_NAME[1:-1], name):
            raise InvalidInput("headers: a name has 1 to 64 letters, digits and a few signs", field="headers")
        if name.lower() in RESERVED_HEADERS or name.lower().startswith("webhook-"):
            raise InvalidInput(f"headers: {name} is set by Rookery", field="headers")
        if not isinstance(text, str) or not re.fullmatch(HEADER_VALUE[1:-1], text):
            raise InvalidInput(f"headers.{name}: up to 4096 printable ASCII characters", field="headers")
    if len({name.lower() for name in value}) < len(value):
        raise InvalidInput("headers: a name is given twice", field="headers")
    return dict(value)


def check_timeout(value: object) -> float | None:
    """Check the seconds for one delivery. Raises InvalidInput."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= MAX_TIMEOUT:
        raise InvalidInput(f"timeout: seconds, more than 0 and at most {MAX_TIMEOUT:g}", field="timeout")
    return float(value)
