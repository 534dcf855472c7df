"""Who may call: the key, and without one the check that the caller is this machine and not a web page.

Without a key the server listens on loopback only, but a browser on this machine can be made to call it: by a page whose
host name was rebound to 127.0.0.1, or by a form on any page. Hence the `Host` and `Origin` checks.
"""

from __future__ import annotations

import hmac
from urllib.parse import urlsplit

from quart import Request

from .problems import Problem
from .settings import is_loopback

REALM = {"WWW-Authenticate": 'Bearer realm="rookery"'}


def check_caller(request: Request, key: str | None) -> None:
    """Raises a Problem: 401 without the right key, 403 for a web page that has no business here."""
    if key is not None:
        _check_key(request, key)
    else:
        _check_local(request)


def _check_key(request: Request, key: str) -> None:
    given = request.headers.getlist("Authorization")
    if not given:
        raise Problem(401, "unauthorized", "Unauthorized", "send the header Authorization: Bearer KEY", headers=REALM)
    scheme, _, token = given[0].partition(" ")
    right = hmac.compare_digest(token.strip().encode("latin-1", "replace"), key.encode())
    if len(given) != 1 or scheme.lower() != "bearer" or not right:
        raise Problem(401, "unauthorized", "Unauthorized", "this is not the key", headers=REALM)


def _check_local(request: Request) -> None:
    host = request.headers.get("Host", "")
    if host and not is_loopback(_name(f"//{host}")):
        raise Problem(
            403,
            "forbidden",
            "Forbidden",
            "without ROOKERY_API_KEY only requests to localhost are answered",
            field="Host",
        )
    origin = request.headers.get("Origin")
    if origin is not None and not is_loopback(_name(origin)):
        raise Problem(
            403,
            "forbidden",
            "Forbidden",
            "without ROOKERY_API_KEY web pages of other sites are refused",
            field="Origin",
        )


def _name(address: str) -> str:
    try:
        return urlsplit(address).hostname or "?"
    except ValueError:
        return "?"
