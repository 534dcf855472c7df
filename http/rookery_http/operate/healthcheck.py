"""`rookery healthcheck`: exit code 0 when the server of this container answers. It runs often and imports little."""

from __future__ import annotations

import http.client
import os
import sys

TIMEOUT = 4.0
EVERYWHERE = {"": "127.0.0.1", "auto": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104


def check() -> int:
    """Ask `/healthz` of the server that `ROOKERY_HOST` and `ROOKERY_PORT` describe."""
    host = os.environ.get("ROOKERY_HOST", "").strip("[]")
    host = EVERYWHERE.get(host, host)
    port = os.environ.get("ROOKERY_PORT") or "8080"
    try:
        connection = http.client.HTTPConnection(host, int(port), timeout=TIMEOUT)
        connection.request("GET", "/healthz", headers={"Host": "localhost"})
        status = connection.getresponse().status
    except (OSError, ValueError, http.client.HTTPException) as error:
        sys.stderr.write(f"rookery: no answer from {host} port {port}: {error}\n")
        return 1
    if status != 200:
        sys.stderr.write(f"rookery: {host} port {port} answered {status}\n")
        return 1
    return 0
