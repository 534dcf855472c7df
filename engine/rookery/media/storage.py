"""Where the bytes of files are: what a storage promises, and how a text names one."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

from ..errors import InvalidInput
from .spool import Spool

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,79}")
"""Ids of files are names in storages, so nothing else gets that far."""

FORMS = "a directory, or s3://bucket/prefix"


class MediaStorage(Protocol):
    """Bytes by id. A file is there completely or not at all.

    Each method raises StorageFull or StorageUnavailable; the caller sets the deadline.
    """

    @property
    def place(self) -> str:
        """Names what this storage reaches: two storages with the same place have the same files."""

    @property
    def location(self) -> str:
        """For people; without secrets."""

    @property
    def shared(self) -> bool:
        """True when every instance that is set up alike reaches the same files."""

    @property
    def begun(self) -> bool:
        """False as long as no file can be there."""

    @property
    def spools(self) -> Path:
        """The directory of temporary files; made when it is needed."""

    def open(self) -> AbstractAsyncContextManager[object]:
        """While the engine runs. Touches nothing before the first file comes."""

    async def keep(self, id: str, spool: Spool) -> None:
        """Take over the finished file; it is durable when this returns. A file with this id is replaced."""

    def read(self, id: str, start: int, size: int) -> AsyncGenerator[bytes]:
        """`size` bytes from `start`, in pieces, until the generator is closed. Raises FileNotFoundError."""

    def local(self, id: str) -> AbstractAsyncContextManager[Path]:
        """A path that leads to the bytes inside the block. Raises FileNotFoundError."""

    async def remove(self, ids: Collection[str]) -> None:
        """Those that are not there are passed over."""

    def older_than(self, seconds: float) -> AsyncGenerator[Sequence[str]]:
        """The ids of all files that came before, some at a time; for the cleaner."""


def check_id(id: str) -> str:
    """Raises InvalidInput for what is no id of a file."""
    if not ID.fullmatch(id):
        raise InvalidInput("this is no id of a file", field="media")
    return id


def storage_from_text(
    text: str | Path,
    *,
    endpoint: str | None = None,
    region: str = "us-east-1",
    access_key: str | None = None,
    secret_key: str | None = None,
    spools: Path | None = None,
) -> MediaStorage:
    """The storage that `text` names: a directory, or `s3://bucket/prefix`; not opened yet.

    Args:
        endpoint: an S3-compatible server, such as `http://minio:9000`; Amazon's own without it.
        region, access_key, secret_key: for S3.
        spools: where temporary files are with S3; the system's directory for such files without it.

    Raises:
        InvalidInput: it names none, or S3's library is not installed.
    """
    from .disk import DiskStorage

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
        raise InvalidInput("S3 needs the library botocore: install `rookery[s3]`", field="media") from None
    return S3Storage(
        bucket,
        prefix.strip("/"),
        endpoint=endpoint,
        region=region,
        access_key=access_key,
        secret_key=secret_key,
        spools=spools,
    )
