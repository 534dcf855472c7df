"""Without an admin key: check that the caller is this machine and not a web page. `callers` checks the keys.

Without an admin key the server listens on loopback only, but a browser on this machine can be made to call it: by a
page whose host name was rebound to 127.0.0.1, or by a form on any page. Hence the `Host` and `Origin` checks.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from quart import Request, Websocket

from ..config.settings import is_loopback
from ..output.problems import Problem
from .cors import Cors


def check_local(request: Request | Websocket, cors: Cors) -> None:
    """Raises a Problem: 403 for a request to another host name or from a page of another origin."""
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
    if origin is None and request.headers.get("Sec-Fetch-Site") == "cross-site":
        # A form or an image of another site: not every browser sends an Origin header with it.
        raise Problem(
            403,
            "forbidden",
            "Forbidden",
            "without ROOKERY_API_KEY web pages of other sites are refused",
            field="Sec-Fetch-Site",
        )
    if origin is not None and not cors.allows(origin) and not is_loopback(_name(origin)):
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
