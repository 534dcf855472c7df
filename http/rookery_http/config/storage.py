"""Where the state and the files are kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec

from rookery.declaring import seconds

from .declaring import text
from .variable import http_address, utf8_text

if TYPE_CHECKING:
    from rookery.media.storage import MediaStorage

S3 = "s3://"
DATABASE = "rookery.db"


class StorageSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of storage."""

    data_dir: Annotated[
        str,
        text("Directory of the SQLite database, WhatsApp device stores and files.", right="a directory", min_length=1),
    ] = "./rookery-data"
    database_url: (
        Annotated[
            str,
            text(
                "`postgresql://user@host/database` keeps the state in PostgreSQL instead of SQLite.",
                right="postgresql://user:password@host/database",
                secret=True,
                pattern=r"^postgres(ql)?://.+",
            ),
        ]
        | None
    ) = None
    secret_key: (
        Annotated[
            str,
            text(
                "Encrypts secrets at rest; several keys, comma separated, newest first.",
                right="one or several keys, comma separated",
                secret=True,
                shown_default="generated into the data directory; required with PostgreSQL",
                min_length=1,
                check=utf8_text,
            ),
        ]
        | None
    ) = None
    media: (
        Annotated[
            str,
            text(
                "Where files are kept: a directory, or `s3://bucket/prefix` (a prefix for Rookery alone: files there that no "
                "row names are removed). Several instances need S3 or one shared directory.",
                right="a directory, or s3://bucket/prefix,",
                shown_default="`media` in the data directory",
                pattern=r"^(s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9._/-]*)?|[^:]+)$",
            ),
        ]
        | None
    ) = None
    s3_endpoint: (
        Annotated[
            str,
            text(
                "S3-compatible server.",
                right="an http:// or https:// address",
                shown_default="Amazon's",
                pattern=r"^https?://[^\s/@]+/?$",
                check=http_address,
            ),
        ]
        | None
    ) = None
    s3_region: Annotated[
        str, text("Region of the bucket.", right="a region such as eu-central-1", pattern=r"^[a-z0-9-]+$")
    ] = "us-east-1"
    s3_access_key: (
        Annotated[
            str,
            text(
                "Access key that may read, write, delete and list under the prefix.",
                right="printable ASCII without spaces",
                min_length=1,
                pattern=r"^[!-~]+$",
            ),
        ]
        | None
    ) = None
    s3_secret_key: (
        Annotated[
            str,
            text(
                "Secret of the access key.",
                right="printable ASCII without spaces",
                secret=True,
                min_length=1,
                pattern=r"^[!-~]+$",
            ),
        ]
        | None
    ) = None
    wait: Annotated[
        float, seconds("How long to wait for another process that still uses the data directory.", least=0)
    ] = 0.0

    @property
    def directory(self) -> Path:
        """The data directory."""
        return Path(self.data_dir).expanduser()

    @property
    def store(self) -> str:
        """The store's URL for `open_engine`."""
        return self.database_url or f"sqlite:///{self.directory.absolute() / DATABASE}"

    @property
    def media_place(self) -> str:
        """The directory of files, or `s3://bucket/prefix`."""
        return self.media or str(self.directory / "media")

    @property
    def media_in_s3(self) -> bool:
        """True when files are kept in S3."""
        return self.media_place.startswith(S3)

    def open_media(self, ca_bundle: str | None = None) -> MediaStorage:
        """The storage of files; not opened yet. Raises InvalidInput."""
        from rookery.media.open import storage_from_text  # `rookery settings` opens nothing

        return storage_from_text(
            self.media_place,
            endpoint=self.s3_endpoint,
            region=self.s3_region,
            access_key=self.s3_access_key,
            secret_key=self.s3_secret_key,
            spools=self.directory / "media" / "tmp",
            ca_bundle=ca_bundle,
        )

    def __repr__(self) -> str:
        """The settings without secrets."""
        return f"<StorageSettings data_dir={self.data_dir!r} media={self.media_place!r}>"
