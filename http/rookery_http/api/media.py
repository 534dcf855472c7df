"""Files: uploaded, downloaded, and those of received messages."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from quart import Request

from rookery.errors import NotFound
from rookery.model.key import Scope
from rookery.model.media import MediaFile, MediaOrigin, MediaQuery, MediaState

from ..access.callers import Caller, forbidden
from ..call_table import Answer, call
from ..input.parameters import NO_NEWLINE, EventId, Id, Limit
from ..input.upload import Upload
from ..output import media_views, views
from ..output.download import file_response
from .state import Api

TAG = "media"
BYTES, ANY = "application/octet-stream", "*/*"
"""Media types of downloads in the description: bytes for clients that follow it strictly, in reality any type."""
FileName = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[^\u0000-\u001f\u007f]{1,200}$" + NO_NEWLINE, description="the file's name; a form may bring its own"
    ),
]


class UploadMedia(msgspec.Struct, frozen=True, kw_only=True):
    """Facts about the file that the body does not contain."""

    filename: FileName | None = None
    session: Annotated[Id, msgspec.Meta(description="whose keys may see it; it goes with this session")] | None = None


class ListMedia(msgspec.Struct, frozen=True, kw_only=True):
    """Which files."""

    session: Id | None = None
    origin: Literal["uploaded", "inbound"] | None = None
    state: Literal["waiting", "stored", "failed"] | None = None
    before: Annotated[EventId, msgspec.Meta(description="`next` of the page before")] | None = None
    limit: Limit = 100


@call(
    "POST",
    "/v1/media",
    tag=TAG,
    answers={201: media_views.Media},
    problems={
        404: "no such session",
        507: "there is no room in the storage",
    },
    scope=Scope.SEND,
)
async def upload_media(api: Api, *, query: UploadMedia, upload: Upload, caller: Caller) -> Answer:
    """Upload a file.

    The body is the file, with its type in `Content-Type`; or a form with one part, `file`. It is stored unchanged,
    under an id that a message names as `media`. A key that is bound to several sessions must name the one that the file
    is for.
    """
    session = query.session
    if caller.sessions is not None:
        if session is None and len(caller.sessions) == 1:
            session = caller.sessions[0]
        if session is None:
            raise forbidden("this key is for some sessions: name the one that the file is for")
        caller.check_session(session)
    if session is not None:
        await api.engine.get_session(session)
    async with upload.open() as file:
        stored = await api.engine.store_media(
            file.pieces, content_type=file.content_type, filename=query.filename or file.filename, session=session
        )
    return Answer(media_views.Media.of(stored), 201, {"Location": f"/v1/media/{stored.id}"})


@call("GET", "/v1/media", tag=TAG, answers={200: media_views.MediaPage}, scope=Scope.READ)
async def list_media(api: Api, *, query: ListMedia, caller: Caller) -> Answer:
    """List files, newest first."""
    found = await api.engine.list_media(
        MediaQuery(
            session=query.session,
            sessions=caller.sessions,
            origin=MediaOrigin(query.origin) if query.origin else None,
            state=MediaState(query.state) if query.state else None,
            before=query.before,
            limit=query.limit + 1,
        )
    )
    page = found[: query.limit]
    shown = [media_views.Media.of(file) for _, file in page]
    return Answer(media_views.MediaPage(shown, page[-1][0] if len(found) > query.limit else None))


DOWNLOADS = {200: (BYTES, ANY), 206: (BYTES, ANY), 304: ()}
PROBLEMS = {
    409: "the session has to be connected to fetch it",
    410: "the platform does not keep the file any more",
    416: "the file has no such part",
    421: "it is in a directory of another instance",
}


@call("GET", "/v1/media/{id}", tag=TAG, answers=DOWNLOADS, problems=PROBLEMS, scope=Scope.READ)
async def download_media(api: Api, id: str, *, incoming: Request) -> Answer:
    """Download a file.

    `Range` (one range), `If-Range` and `If-None-Match` are honoured. Always an attachment, never a page.
    """
    return Answer(file_response(api.engine, incoming, await _stored(api, id)))


@call("DELETE", "/v1/media/{id}", tag=TAG, answers={200: views.Deleted}, scope=Scope.SEND)
async def delete_media(api: Api, id: str) -> Answer:
    """Delete a file. A message that names it and was not sent yet will fail."""
    if not await api.engine.delete_media(id):
        raise NotFound("media", id)
    return Answer(views.Deleted(id, True))


@call("GET", "/v1/events/{id}/media", tag=TAG, answers=DOWNLOADS, problems=PROBLEMS, scope=Scope.READ)
async def download_event_media(api: Api, id: str, *, incoming: Request) -> Answer:
    """Download the file of a received message.

    It is fetched from the platform unless it is stored already. Otherwise the same as `/v1/media/{id}`.
    """
    return Answer(file_response(api.engine, incoming, await api.engine.media_of_event(_event(id))))


@call(
    "POST",
    "/v1/events/{id}/media",
    tag=TAG,
    answers={200: media_views.Media},
    problems={409: PROBLEMS[409], 410: PROBLEMS[410], 421: PROBLEMS[421], 507: "there is no room in the storage"},
    scope=Scope.READ,
)
async def fetch_event_media(api: Api, id: str) -> Answer:
    """Fetch the file of a received message, so that it is stored; a message may then forward it as `media`."""
    return Answer(media_views.Media.of(await api.engine.media_of_event(_event(id))))


async def _stored(api: Api, id: str) -> MediaFile:
    file = await api.engine.stored_media(id)
    if file.state is not MediaState.STORED:
        raise NotFound("media", id)
    return file


def _event(id: str) -> int:
    if not (id.isascii() and id.isdigit() and len(id) < 19):
        raise NotFound("event", id)
    return int(id)
