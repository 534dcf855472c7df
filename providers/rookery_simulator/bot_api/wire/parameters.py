"""The parameters of a Bot API call, from every place where a client may put them.

The server takes them from the query string and from a JSON, urlencoded or multipart body alike and treats every
value as text: numbers may come as strings, structures as JSON inside a string. Here a value keeps the form in which
it came and is converted by the reader that wants it.
"""

from __future__ import annotations

from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import msgspec

from .answers import ApiError

_decode = msgspec.json.decode


def malformed(why: str) -> ApiError:
    """The error for a body that is not what its content type says."""
    return ApiError(400, f"Bad Request: {why}")


class Upload(NamedTuple):
    """A file that came in a multipart body."""

    file_name: str
    content_type: str
    content: bytes


class Parameters:
    """The named values and uploaded files of one call."""

    __slots__ = ("files", "values")

    def __init__(self, values: dict[str, Any], files: dict[str, Upload] | None = None) -> None:
        self.values = values
        self.files = files or {}

    def text(self, name: str) -> str:
        """The value as text, empty when absent."""
        value = self.values.get(name)
        if value is None:
            return ""
        if isinstance(value, str):
            return value
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, (dict, list)):
            return msgspec.json.encode(value).decode()
        return str(value)

    def integer(self, name: str, default: int = 0) -> int:
        """The value as a number; as on the server, text that is not a number counts as 0."""
        value = self.values.get(name)
        if type(value) is int:
            return value
        if value is None or value == "":
            return default
        try:
            return int(value)
        except (TypeError, ValueError, OverflowError):
            return 0

    def number(self, name: str) -> float | None:
        """The value as a decimal number, None when absent or not a number."""
        try:
            return float(self.text(name))
        except ValueError:
            return None

    def flag(self, name: str) -> bool:
        """The value as a boolean."""
        return self.text(name).strip().lower() in ("true", "yes", "1")

    def structure(self, name: str) -> Any:
        """The value as decoded JSON, None when absent or not JSON."""
        value = self.values.get(name)
        if isinstance(value, str):
            try:
                return _decode(value)
            except (msgspec.DecodeError, UnicodeError):
                return None
        return value


def read_parameters(query: bytes, content_type: str, body: bytes) -> Parameters:
    """Parameters of a request. Raises ApiError 400; a body of an unknown type is ignored, as the server does."""
    values: dict[str, Any] = {}
    files: dict[str, Upload] | None = None
    if query:
        values.update(parse_qsl(query.decode("latin-1"), keep_blank_values=True))
    if body:
        kind = content_type.partition(";")[0].strip().lower()
        if kind == "application/json":
            try:
                decoded = _decode(body)
            except (msgspec.DecodeError, UnicodeError) as error:
                raise malformed("can't parse JSON object") from error
            if not isinstance(decoded, dict):
                raise malformed("object expected")
            values.update(decoded)
        elif kind == "application/x-www-form-urlencoded":
            values.update(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
        elif kind == "multipart/form-data":
            files = {}
            _read_multipart(content_type, body, values, files)
    return Parameters(values, files)


def _read_multipart(content_type: str, body: bytes, values: dict[str, Any], files: dict[str, Upload]) -> None:
    boundary = _attributes(content_type).get("boundary", "")
    if not boundary:
        raise malformed("boundary not found")
    delimiter = b"\r\n--" + boundary.encode("latin-1")
    # The first delimiter has no line end before it.
    parts = (b"\r\n" + body).split(delimiter)
    if len(parts) < 2 or not parts[-1].startswith(b"--"):
        raise malformed("multipart body is incomplete")
    for part in parts[1:-1]:
        head, separator, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        if not separator:
            raise malformed("multipart header is incomplete")
        headers = {}
        for line in head.decode("utf-8", "replace").split("\r\n"):
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        attributes = _attributes(headers.get("content-disposition", ""))
        name = attributes.get("name", "")
        file_name = attributes.get("filename")
        if file_name is None:
            values[name] = content.decode("utf-8", "replace")
        else:
            files[name] = Upload(file_name, headers.get("content-type", "application/octet-stream"), content)


def _attributes(header: str) -> dict[str, str]:
    """The `name="value"` pairs after the first semicolon; quotes and backslashes in values are undone."""
    found: dict[str, str] = {}
    rest = header.partition(";")[2]
    while rest:
        name, _, rest = rest.partition("=")
        rest = rest.lstrip()
        if rest.startswith('"'):
            end = 1
            while end < len(rest) and rest[end] != '"':
                end += 2 if rest[end] == "\\" else 1
            value, rest = rest[1:end].replace('\\"', '"').replace("\\\\", "\\"), rest[end + 1 :].partition(";")[2]
        else:
            value, _, rest = rest.partition(";")
        found[name.strip(" ;\t").lower()] = value.strip()
    return found
