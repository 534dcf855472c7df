"""The table of calls: each handler with its method, its path and its possible answers.

The application and the OpenAPI description are both made from this table, so that they cannot disagree. A handler is
`async def handler(api, [id], [query], [body], [headers...]) -> Answer`; the annotations of `query` and `body` are the
shapes of the input.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec
from quart import Response

from rookery.model.key import Scope

JSON = "application/json"
SMALL_BODY = 256 * 1024
"""Bytes of a request's body, apart from a file's content in `data`."""
encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer: a value that becomes JSON, or a ready response."""

    value: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self) -> Response:
        """The answer as a response of Quart."""
        if isinstance(self.value, Response):
            return self.value
        return Response(encode(self.value), self.status, dict(self.headers), content_type=JSON)

    @property
    def status_code(self) -> int:
        """The HTTP status that the client gets."""
        return self.value.status_code if isinstance(self.value, Response) else self.status


Handler = Callable[..., Awaitable[Answer]]
H = TypeVar("H", bound=Handler)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One row of the table."""

    method: str
    path: str  # with {id}
    handler: Handler
    tag: str
    answers: Mapping[int, Any]  # status: a struct, a media type for an answer that is not JSON, or a tuple of these
    problems: Mapping[int, str]  # status: when this call has that problem
    query: Any
    body: Any
    body_required: bool
    large: bool  # the body may be as large as a send
    small_body: int  # bytes of the body, or of everything but `data` in a large one
    open: bool  # works without a key
    scope: Scope | None  # None: any key
    takes_caller: bool  # the handler itself limits its answer to what the caller may see
    idempotent: bool  # takes an Idempotency-Key
    resumes: bool  # takes a Last-Event-ID
    uploads: bool  # the body is a file, which the handler reads
    takes_request: bool  # the handler itself looks at headers such as Accept and Range
    takes_id: bool
    body_shape: Any
    """The type of a body that is present: without None, which marks an optional body."""

    @property
    def name(self) -> str:
        """The operation's id."""
        return self.handler.__name__

    @property
    def documentation(self) -> tuple[str, str]:
        """The first line of the handler's docstring and the rest."""
        first, _, rest = inspect.cleandoc(self.handler.__doc__ or "").partition("\n")
        return first.rstrip("."), rest.strip()


TABLE: list[Call] = []


def _body_shape(body: Any, *, required: bool) -> Any:
    parts = [part for part in getattr(body, "__args__", ()) if part is not type(None)]
    return parts[0] if not required and parts else body


def call(
    method: str,
    path: str,
    *,
    tag: str,
    answers: Mapping[int, Any],
    problems: Mapping[int, str] | None = None,
    large: bool = False,
    small_body: int = SMALL_BODY,
    open: bool = False,
    scope: Scope | None = Scope.ADMIN,
    body_required: bool = True,
) -> Callable[[H], H]:
    """Put a handler into the table. `scope` is what a key needs; `access.scopes` decides whose things it may reach."""

    def enter(handler: H) -> H:
        shapes = inspect.get_annotations(handler, eval_str=True)
        TABLE.append(
            Call(
                method=method,
                path=path,
                handler=handler,
                tag=tag,
                answers=answers,
                problems=problems or {},
                query=shapes.get("query"),
                body=shapes.get("body"),
                body_required=body_required,
                large=large,
                small_body=small_body,
                open=open,
                scope=None if open else scope,
                takes_caller="caller" in shapes,
                idempotent="idempotency_key" in shapes,
                resumes="last_event_id" in shapes,
                uploads="upload" in shapes,
                takes_request="incoming" in shapes,
                takes_id="{id}" in path,
                body_shape=_body_shape(shapes.get("body"), required=body_required),
            )
        )
        return handler

    return enter
