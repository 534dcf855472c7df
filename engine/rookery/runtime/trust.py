"""Which certificate authorities outgoing connections trust: the system's, and a bundle of one's own beside them.

The system's store is what OpenSSL finds: `SSL_CERT_FILE` and `SSL_CERT_DIR` of the environment, then the places of the
distribution. Where there is none, as in a bare container, the public authorities that come with `certifi` take its place.
"""

from __future__ import annotations

import ssl
from pathlib import Path

import certifi

from ..errors import InvalidInput


def tls_context(ca_bundle: str | None = None) -> ssl.SSLContext:
    """A context for clients. It costs some 20 ms and up to a megabyte: share it.

    Args:
        ca_bundle: a PEM file with further authorities, such as a private one.

    Raises:
        InvalidInput: the bundle cannot be read or holds no certificate.
    """
    context = (
        ssl.create_default_context() if _has_system_store() else ssl.create_default_context(cafile=certifi.where())
    )
    if ca_bundle is not None:
        try:
            context.load_verify_locations(cafile=ca_bundle)
        except (OSError, ValueError) as error:  # an SSLError is an OSError
            why = (
                error.strerror
                if isinstance(error, OSError) and error.errno and error.strerror
                else "no certificate in it"
            )
            if isinstance(error, ssl.SSLError):
                why = "it holds no certificate in PEM form"
            raise InvalidInput(f"ca_bundle: {ca_bundle} cannot be used: {why}", field="ca_bundle") from None
    return context


def _has_system_store() -> bool:
    paths = ssl.get_default_verify_paths()  # what the environment and the distribution name, if it is there
    if paths.cafile is not None:
        return True
    return paths.capath is not None and any(Path(paths.capath).glob("*.0"))
