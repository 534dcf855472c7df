"""Parses a sink's address and target: which broker, how to reach it, and where in it an event goes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import msgspec

from ...errors import InvalidInput
from ...model.event import Event

KINDS = {
    "nats": "nats",
    "tls": "nats",
    "amqp": "amqp",
    "amqps": "amqp",
    "redis": "redis",
    "rediss": "redis",
}
"""Transport by the scheme of an address; `tls`, `amqps` and `rediss` are encrypted."""

DEFAULT_PORTS = {"nats": 4222, "tls": 4222, "amqp": 5672, "amqps": 5671, "redis": 6379, "rediss": 6379}
OPTIONS = {
    "nats": {"stream", "create", "token"},
    "amqp": {"exchange", "create", "mandatory"},
    "redis": {"maxlen", "create"},
}
DEFAULT_TARGET = "rookery.{session}.{type}"
FIELDS = ("session", "type", "platform", "chat")
_FIELD = re.compile(r"\{([^{}]*)\}")


class BrokerAddress(msgspec.Struct, frozen=True, kw_only=True):
    """`scheme://user:password@host:port/path?option=value`. `path` is AMQP's virtual host or Redis' database, unquoted."""

    scheme: str
    host: str
    port: int
    user: str | None
    password: str | None
    path: str
    options: Mapping[str, str]

    @property
    def kind(self) -> str:
        return KINDS[self.scheme]

    @property
    def encrypted(self) -> bool:
        return self.scheme in ("tls", "amqps", "rediss")

    @property
    def may_create(self) -> bool:
        """True when a missing stream or exchange is to be created."""
        return self.options.get("create", "true") == "true"

    def __repr__(self) -> str:
        return f"<BrokerAddress {self.scheme}://{self.host}:{self.port}>"


def parse_address(url: str) -> BrokerAddress:
    """Parse an address. Raises InvalidInput with a message that contains no part of the address."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise InvalidInput("url: the address cannot be read", field="url") from None
    scheme = parts.scheme.lower()
    if scheme not in KINDS:
        raise InvalidInput(
            f"url: an address begins with one of {', '.join(f'{name}://' for name in KINDS)}", field="url"
        )
    if not parts.hostname:
        raise InvalidInput("url: the address names no host", field="url")
    if port == 0:
        raise InvalidInput("url: a port is 1 to 65535", field="url")
    if parts.fragment:
        raise InvalidInput("url: an address has no #; write %23 inside a password", field="url")
    if "@" in parts.path + parts.query:  # otherwise what follows the / is taken for the path, and the user for the host
        raise InvalidInput(
            "url: inside a user name or password write / as %2F and ? as %3F, and @ everywhere as %40", field="url"
        )
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    options = dict(pairs)
    if len(options) < len(pairs):
        raise InvalidInput("url: each option may be given once", field="url")
    known = OPTIONS[KINDS[scheme]]
    if unknown := sorted(options.keys() - known):
        raise InvalidInput(f"url: {unknown[0]!r} is not an option; known: {', '.join(sorted(known))}", field="url")
    for name in ("create", "mandatory"):
        if options.get(name, "true") not in ("true", "false"):
            raise InvalidInput(f"url: {name} is true or false", field="url")
    if "maxlen" in options and not re.fullmatch("0*[1-9][0-9]{0,17}", options["maxlen"], re.ASCII):
        raise InvalidInput("url: maxlen is a number of entries, at least 1 and below 10^18", field="url")
    path = unquote(parts.path.removeprefix("/"))
    if KINDS[scheme] == "redis" and path and not re.fullmatch("[0-9]{1,9}", path, re.ASCII):
        raise InvalidInput("url: the path of a Redis address is the number of a database", field="url")
    if KINDS[scheme] == "nats" and path:
        raise InvalidInput("url: the address of a NATS server has no path", field="url")
    return BrokerAddress(
        scheme=scheme,
        host=parts.hostname,
        port=port or DEFAULT_PORTS[scheme],
        user=unquote(parts.username) if parts.username is not None else None,
        password=unquote(parts.password) if parts.password is not None else None,
        path=path,
        options=options,
    )


def check_target(target: str, kind: str) -> str:
    """Check a subject, routing key or stream name with fields in braces. Raises InvalidInput."""
    if not 1 <= len(target) <= 255 or not target.isprintable() or " " in target:
        raise InvalidInput("target: 1 to 255 printable characters without spaces are needed", field="target")
    for name in _FIELD.findall(target):
        if name not in FIELDS:
            raise InvalidInput(
                f"target: {{{name}}} is not a field; known: {', '.join(f'{{{field}}}' for field in FIELDS)}",
                field="target",
            )
    rest = _FIELD.sub("x", target)
    if "{" in rest or "}" in rest:
        raise InvalidInput("target: braces belong around a field, such as {session}", field="target")
    if kind == "nats" and (any(sign in rest for sign in "*>") or "" in rest.split(".")):
        raise InvalidInput("target: a subject has no wildcards and no empty part", field="target")
    return target


def check_commands(commands: str, target: str, kind: str) -> str:
    """Check the name that commands are read from; it has no fields. Raises InvalidInput."""
    if not 1 <= len(commands) <= 255 or not commands.isascii() or not commands.isprintable() or " " in commands:
        raise InvalidInput("commands: 1 to 255 printable characters without spaces are needed", field="commands")
    if "{" in commands or "}" in commands:
        raise InvalidInput("commands: one name is needed, without fields such as {session}", field="commands")
    if kind == "nats" and (any(sign in commands for sign in "*>") or "" in commands.split(".")):
        raise InvalidInput("commands: a subject has no wildcards and no empty part", field="commands")
    head = fixed_part(target)
    if commands == target or (kind == "nats" and "{" in target and (not head or commands.startswith(head + "."))):
        raise InvalidInput("commands: choose a name that `target` never produces", field="commands")
    return commands


def resolve(target: str, event: Event) -> str:
    """Where this event goes. The value of a field becomes one part of the name: dots, wildcards and spaces in it are
    percent-encoded. The dots of a type stay, so that `rookery.*.session.>` matches every event about sessions."""
    values = {
        "session": _part(event.session),
        "type": ".".join(_part(part) for part in event.type.split(".") if part) or "_",
        "platform": _part(event.platform),
        "chat": _part(event.chat or "_"),
    }
    return _FIELD.sub(lambda found: values[found.group(1)], target)


def fixed_part(target: str) -> str:
    """The parts before the first field, without the trailing dot; empty when the target starts with a field."""
    head, brace, _ = target.partition("{")
    return head.rpartition(".")[0] if brace else target


def _part(text: str) -> str:
    return quote(text, safe="@+-_=:").replace(".", "%2E") or "_"
