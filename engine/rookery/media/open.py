"""Makes the media storage that a text names, such as `s3://bucket`."""

from __future__ import annotations

import re
from pathlib import Path

from ..errors import InvalidInput
from .disk import DiskStorage
from .storage import MediaStorage

FORMS = "a directory, or s3://bucket/prefix"


def storage_from_text(
    text: str | Path,
    *,
    endpoint: str | None = None,
    region: str = "us-east-1",
    access_key: str | None = None,
    secret_key: str | None = None,
    spools: Path | None = None,
    ca_bundle: str | None = None,
) -> MediaStorage:
    """The storage that `text` names: a directory, or `s3://bucket/prefix`; not opened yet.

    Args:
        endpoint: an S3-compatible server, such as `http://minio:9000`; Amazon's own by default.
        region, access_key, secret_key: for S3.
        spools: where temporary files are kept with S3; by default the system's temporary directory.
        ca_bundle: for S3: a PEM file of certificate authorities to trust beside the system's.

    Raises:
        InvalidInput: the text names no storage, or S3's library is not installed.
    """
    if isinstance(text, Path) or "://" not in text:
        return DiskStorage(Path(text))
    scheme, _, rest = text.partition("://")
    bucket, _, prefix = rest.partition("/")
    if scheme != "s3" or not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", bucket):
        raise InvalidInput(f"cannot keep files there: use {FORMS}", field="media")
    if not access_key or not secret_key:
        raise InvalidInput("S3 needs an access key and a secret key", field="media")
    try:
        from .s3 import S3Storage
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "botocore":
            raise
        raise InvalidInput(
            "S3 needs the library botocore: install Rookery with its extra `s3`", field="media"
        ) from None
    return S3Storage(
        bucket,
        prefix.strip("/"),
        endpoint=endpoint,
        region=region,
        access_key=access_key,
        secret_key=secret_key,
        spools=spools,
        ca_bundle=ca_bundle,
    )
