"""Files as the API shows them."""

from __future__ import annotations

import msgspec

from rookery.model.media import MediaFile, MediaOrigin, MediaState

from .values import Moment, moment


class Media(msgspec.Struct, frozen=True, kw_only=True):
    """A file. `size` and `sha256` are certain once it is stored; `error` says why it could not be fetched."""

    id: str
    session: str | None
    origin: MediaOrigin
    state: MediaState
    content_type: str
    filename: str | None
    size: int | None
    sha256: str | None
    event: int | None
    error: str | None
    created_at: Moment
    expires_at: Moment

    @classmethod
    def of(cls, file: MediaFile) -> Media:
        return cls(
            id=file.id,
            session=file.session,
            origin=file.origin,
            state=file.state,
            content_type=file.content_type,
            filename=file.filename,
            size=file.size,
            sha256=file.sha256,
            event=file.event,
            error=file.error,
            created_at=moment(file.created_at),
            expires_at=moment(file.expires_at),
        )


class MediaPage(msgspec.Struct, frozen=True):
    """`next` is the value of `before` for the next page, null on the last."""

    media: list[Media]
    next: int | None
