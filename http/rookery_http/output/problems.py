"""Errors as RFC 9457 problem documents: the one place that decides which error gets which status."""

from __future__ import annotations

import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any

import msgspec

from rookery import errors

from ..config.advice import with_variables
from ..config.table import ENGINE_VARIABLES

MEDIA_TYPE = "application/problem+json"
FETCH_ADVICE = f"`{ENGINE_VARIABLES['media_fetch']}` keeps files of received messages before they expire"
RETRY_STORE = 5
"""Retry-After in seconds when the database does not answer."""


class ProblemDocument(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"kind": "type"}):
    """The fields of every error answer."""

    kind: Annotated[str, msgspec.Meta(description="urn:rookery:problem:..., stable, for programs")]
    title: Annotated[str, msgspec.Meta(description="the kind of problem in words")]
    status: Annotated[int, msgspec.Meta(description="the HTTP status")]
    detail: Annotated[str, msgspec.Meta(description="what is wrong this time and what would be right")]
    field: Annotated[str | None, msgspec.Meta(description="the path of the field that is to blame")] = None
    limit: Annotated[str | None, msgspec.Meta(description="the setting that stands in the way")] = None
    platform: Annotated[
        dict[str, Any] | None,
        msgspec.Meta(description="the platform's own answer: `error_code`, `description`, `parameters`"),
    ] = None
    error_id: Annotated[str | None, msgspec.Meta(description="finds the error in the server's log")] = None


class Problem(Exception):
    """An error that any code below the application may raise; it becomes the answer."""

    def __init__(
        self,
        status: int,
        code: str,
        title: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = dict(headers or {})
        self.document = ProblemDocument(
            kind=f"urn:rookery:problem:{code}", title=title, status=status, detail=detail, **members
        )

    def body(self) -> bytes:
        """The document as JSON."""
        return msgspec.json.encode(self.document)


def plain_problem(status: int, detail: str) -> bytes:
    """A problem that contains no more than its HTTP status."""
    title = HTTPStatus(status).phrase
    return Problem(status, title.lower().replace(" ", "-"), title, detail).body()


def invalid(detail: str, field: str | None = None) -> Problem:
    """400: the input is not what the description asks for."""
    return Problem(400, "invalid-input", "Invalid input", detail, field=field)


def _retry_after(seconds: float) -> dict[str, str]:
    return {"Retry-After": str(max(1, math.ceil(seconds)))}


def from_error(error: errors.RookeryError) -> Problem | None:
    """The problem that a caller gets for an engine error; None for an error that only a bug can cause here."""
    detail = with_variables(str(error))
    match error:
        case errors.InvalidInput(field="idempotency_key"):  # its form is valid, since it was used before
            return Problem(409, "idempotency-key-reused", "Idempotency key reused", detail, field="Idempotency-Key")
        case errors.InvalidInput():
            return invalid(detail, error.field)
        case errors.NotFound():
            return Problem(404, "not-found", f"Unknown {error.kind}", detail)
        case errors.UnknownCursor():
            return Problem(409, "unknown-cursor", "Unknown cursor", detail, field="after")
        case errors.AlreadyExists():
            return Problem(409, "already-exists", "Already exists", detail, field="id")
        case errors.LimitReached():
            return Problem(
                429, "limit-reached", "Limit reached", detail, limit=ENGINE_VARIABLES.get(error.limit, error.limit)
            )
        case errors.NotConnected():
            return Problem(409, "not-connected", "Not connected", detail)
        case errors.PlatformRefused():
            return Problem(422, "refused", "Refused by the platform", detail)
        case errors.AccountLimited():
            return Problem(409, "account-limited", "Account limited", detail)
        case errors.TooLate():
            return Problem(409, "too-late", "Too late", detail)
        case errors.Busy():
            return Problem(429, "busy", "Too many sends are waiting", detail, headers=_retry_after(1))
        case errors.CallRefused():
            answer = {"error_code": error.error_code, "description": str(error)}
            if error.parameters is not None:
                answer["parameters"] = error.parameters
            return Problem(422, "refused-by-platform", "Refused by the platform", detail, platform=answer)
        case errors.MethodForbidden():
            return Problem(403, "method-forbidden", "Method forbidden", detail, field="method")
        case errors.SendRateLimited():
            return Problem(429, "rate-limited", "Rate limited", detail, headers=_retry_after(error.retry_after))
        case errors.Rejected():
            return Problem(400, "rejected", "Rejected", detail)
        case errors.OutcomeUnknown():
            return Problem(504, "outcome-unknown", "Outcome unknown", detail)
        case errors.OwnerUnavailable(may_have_happened=True):
            return Problem(504, "owner-unavailable", "The session's instance does not answer", detail)
        case errors.OwnerUnavailable():
            return Problem(
                503,
                "owner-unavailable",
                "The session's instance does not answer",
                detail,
                headers=_retry_after(error.retry_after),
            )
        case errors.MediaTooLarge():
            return Problem(413, "too-large", "Too large", detail, limit=ENGINE_VARIABLES["media_max_size"])
        case errors.MediaExpired():
            return Problem(410, "expired", "Expired", f"{detail}. {FETCH_ADVICE}")
        case errors.StorageFull():
            return Problem(507, "storage-full", "No room left", detail)
        case errors.StoredElsewhere():
            return Problem(421, "stored-elsewhere", "Stored elsewhere", detail)
        case errors.StorageUnavailable():
            return Problem(
                503, "storage-unavailable", "The storage does not answer", detail, headers=_retry_after(RETRY_STORE)
            )
        case errors.StoreError():
            return Problem(
                503, "store-unavailable", "The database does not answer", detail, headers=_retry_after(RETRY_STORE)
            )
    return None
