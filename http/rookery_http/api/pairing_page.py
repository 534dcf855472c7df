"""A page for the owner of a phone, who needs no key to link one session."""

from __future__ import annotations

from typing import Annotated

import msgspec
from quart import Request, Response

from rookery.errors import NotFound
from rookery.model.key import Scope
from rookery.model.session import HISTORY_LENGTH, Reason, SessionStatus

from ..access import pair_tokens
from ..access.wrong_keys import source_of
from ..call_table import Answer, call
from ..output import operation_views
from ..output import qr as drawing
from ..output import values as shown
from ..output.pairing_page import POLICY, pairing_page
from ..output.problems import Problem
from .state import Api

HTML = "text/html"
SCAN = 'Open WhatsApp on your phone, choose "Linked devices" and "Link a device", and scan this code.'
STOPPED = "Linking has stopped. Ask whoever gave you this link to start it again."
PASSKEY = (
    "WhatsApp wants this account to be linked with its passkey, which is not possible here. Remove the passkey in WhatsApp "
    "(Settings, Account, Passkeys), then ask whoever gave you this link to start linking again."
)
RATE = 5.0
"""Requests a second for one link, and for all unknown links from one address; the page itself reloads every few seconds."""
TYPE = 'Open WhatsApp on your phone, choose "Linked devices", "Link with phone number instead", and type this code.'


class PairLink(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How long the page works."""

    expires_in: Annotated[int, msgspec.Meta(ge=60, le=3600, description="seconds")] = 600


@call(
    "POST",
    "/v1/sessions/{id}/pair-link",
    tag="sessions",
    answers={200: operation_views.PairingLink},
    scope=Scope.MANAGE,
)
async def create_pair_link(api: Api, id: str, *, body: PairLink) -> Answer:
    """Make a page for the owner of the phone: it shows the code without a key, links one device, and expires.

    Append `path` to the address under which people reach this server.
    """
    session = await api.engine.get_session(id)
    made_at = api.engine.now()
    expires_at = int(made_at) + body.expires_in
    token = pair_tokens.make(pair_tokens.PairToken(session.id, session.uid, made_at, expires_at), api.settings.key)
    return Answer(operation_views.PairingLink(f"/pair/{token}", shown.moment(expires_at)))


@call(
    "GET",
    "/pair/{token}",
    tag="sessions",
    answers={200: HTML},
    problems={
        404: "the link was not made here, was used, or has expired",
        429: "this link is opened too often",
        504: "the session's instance does not answer",
    },
    open=True,
)
async def show_pairing_page(api: Api, *, token: str, incoming: Request) -> Answer:
    """Show the owner of a phone the code that links the session, until it is linked or the link expires.

    A link works once: the first device that is linked ends it. Until then it may be opened repeatedly, because the page
    reloads and messengers open links on their own to show a preview.
    """
    found = pair_tokens.read(token, api.settings.key, now=api.engine.now())
    gone = Problem(404, "link-expired", "Link expired", "ask for a new link: this one was used or has expired")
    if found is None:
        api.rate_limits.check(f"pair {source_of(incoming.remote_addr or '')}", RATE, "this address")
        raise gone
    api.rate_limits.check(f"pair {found.session} {found.made_at}", RATE, "this link")
    try:
        session = await api.engine.get_session(found.session)
    except NotFound:
        raise gone from None
    if session.uid != found.uid:
        raise gone
    if session.health.status is SessionStatus.CONNECTED:
        return _page(pairing_page("The device is linked. You may close this page.", over=True))
    if await _was_used(api, found):
        raise gone
    pairing = await api.engine.pairing(found.session)
    if pairing is None and session.health.reason is Reason.PASSKEY_REQUIRED:
        return _page(pairing_page(PASSKEY))
    if pairing is None and session.health.terminal:
        return _page(pairing_page(STOPPED))
    if pairing is None:
        return _page(pairing_page("Please wait; a code appears here as soon as there is one."))
    if pairing.kind == "qr":
        return _page(pairing_page(SCAN, svg=drawing.qr_svg(pairing.code)))
    return _page(pairing_page(TYPE, code=pairing.code))


async def _was_used(api: Api, token: pair_tokens.PairToken) -> bool:
    """True when the session has connected since the link was made: it then links no second device. Also True when the
    session's history no longer reaches back to that time."""
    history = await api.engine.history(token.session)
    if len(history) >= HISTORY_LENGTH and min(each.at for each in history) >= token.made_at:
        return True
    return any(each.status is SessionStatus.CONNECTED and each.at >= token.made_at for each in history)


def _page(text: str) -> Answer:
    headers = {"Content-Security-Policy": POLICY, "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex, nofollow"}
    return Answer(Response(text, headers=headers, content_type=f"{HTML}; charset=utf-8"))
