"""Which certificate authorities outgoing connections trust: the system's, and an additional bundle of the operator's.

The system's store is the one that `SSL_CERT_FILE` and `SSL_CERT_DIR` name, or the distribution's default. Where there
is none, as in a bare container, the public authorities that come with `certifi` are used.
"""

from __future__ import annotations

import ssl
from pathlib import Path

import certifi

from ..errors import InvalidInput


def tls_context(ca_bundle: str | None = None) -> ssl.SSLContext:
    """A context for clients. It costs about 20 ms and up to a megabyte: share it.

    Args:
        ca_bundle: a PEM file with further authorities, such as a private one.

    Raises:
        InvalidInput: the bundle cannot be read or holds no certificate.
    """
    store = ssl.get_default_verify_paths()
    if store.cafile is not None or (store.capath is not None and any(Path(store.capath).glob("*.0"))):
        # Passed explicitly, because not every build of OpenSSL reads the environment.
        context = ssl.create_default_context(cafile=store.cafile, capath=store.capath)
    else:
        context = ssl.create_default_context(cafile=certifi.where())
    if ca_bundle is not None:
        try:
            context.load_verify_locations(cafile=ca_bundle)
        except ssl.SSLError:
            raise _unusable(ca_bundle, "it holds no certificate in PEM form") from None
        except OSError as error:
            raise _unusable(ca_bundle, error.strerror or "it cannot be read") from None
    return context


def _unusable(ca_bundle: str, why: str) -> InvalidInput:
    return InvalidInput(f"ca_bundle: {ca_bundle} cannot be used: {why}", field="ca_bundle")
