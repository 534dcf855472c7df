"""Pairing: the QR code to scan, or the code to type, for platforms where a person authorises a session."""

from __future__ import annotations

from typing import Annotated

import msgspec
from quart import Request, Response

from rookery.errors import InvalidInput
from rookery.model.key import Scope
from rookery.provider.capabilities import Pairing

from ..call_table import Answer, call
from ..input.parameters import NO_NEWLINE
from ..output import operation_views
from ..output import qr as drawing
from ..output import values as shown
from ..output.problems import Problem
from .state import Api

TAG = "sessions"
JSON, PNG, SVG, TEXT = "application/json", "image/png", "image/svg+xml", "text/plain"
FORMS = (JSON, PNG, SVG, TEXT)
SILENT = "the instance that runs the session did not answer in time"


class PhoneNumber(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The phone that will hold the linked device."""

    phone: Annotated[
        str,
        msgspec.Meta(
            pattern=r"^ ?\+?[1-9]([ ()./-]{0,3}[0-9]){6,14} ?$" + NO_NEWLINE,
            description="with its country code",
            examples=["+4915112345678"],
        ),
    ]


@call(
    "GET",
    "/v1/sessions/{id}/qr",
    tag=TAG,
    answers={200: (operation_views.PairingCode, PNG, SVG, TEXT)},
    problems={406: "none of the forms that Accept names", 409: "there is no code now", 504: SILENT},
    scope=Scope.MANAGE,
)
async def session_qr(api: Api, id: str, *, incoming: Request) -> Answer:
    """Get the QR code that a person has to scan, in the form that `Accept` names: JSON, PNG, SVG or text for a terminal."""
    await api.engine.get_session(id)
    form = incoming.accept_mimetypes.best_match(FORMS, default="") if incoming.headers.get("Accept") else JSON
    if form not in FORMS:
        raise Problem(406, "not-acceptable", "Not acceptable", f"known forms: {', '.join(FORMS)}")
    pairing = await api.engine.pairing(id)
    if pairing is None or pairing.kind != "qr":
        raise Problem(409, "no-qr-code", "No QR code", "the session has no QR code to scan now")
    if form == JSON:
        return Answer(_shown(pairing))
    if form == PNG:
        return Answer(Response(drawing.qr_png(pairing.code), content_type=PNG))
    if form == SVG:
        return Answer(Response(drawing.qr_svg(pairing.code), content_type=SVG))
    return Answer(Response(drawing.qr_terminal(pairing.code), content_type=f"{TEXT}; charset=utf-8"))


@call(
    "POST",
    "/v1/sessions/{id}/pairing-code",
    tag=TAG,
    answers={200: operation_views.PairingCode},
    problems={409: "the session does not wait to be paired", 504: SILENT},
    scope=Scope.MANAGE,
)
async def request_pairing_code(api: Api, id: str, *, body: PhoneNumber) -> Answer:
    """Ask for a code to type into the phone instead of scanning."""
    try:
        return Answer(_shown(await api.engine.request_pairing_code(id, body.phone)))
    except InvalidInput as error:
        if error.field == "platform":  # the request is valid, but this session is of another kind
            raise Problem(409, "not-paired", "Not paired by a code", str(error)) from None
        raise


@call(
    "GET",
    "/v1/sessions/{id}/pairing-code",
    tag=TAG,
    answers={200: operation_views.PairingCode},
    problems={409: "there is no code now", 504: SILENT},
    scope=Scope.MANAGE,
)
async def session_pairing_code(api: Api, id: str) -> Answer:
    """Get the code to type that was requested last, until it expires or the device is linked."""
    pairing = await api.engine.pairing(id)
    if pairing is None or pairing.kind != "phone":
        raise Problem(409, "no-pairing-code", "No pairing code", "no pairing code was requested, or it has expired")
    return Answer(_shown(pairing))


def _shown(pairing: Pairing) -> operation_views.PairingCode:
    return operation_views.PairingCode(pairing.code, shown.moment(pairing.expires_at))
