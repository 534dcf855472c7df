"""Files in a bucket of Amazon S3 or of a server that speaks its protocol.

Requests go over httpx; botocore only signs them. An upload is one PUT from the temporary file, whose checksum is part
of the signature: the server refuses data that arrived differently, and an unfinished file never appears in the bucket.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from tempfile import gettempdir
from time import time
from urllib.parse import quote, urlsplit

import httpx
import trio
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from ..errors import InvalidInput, StorageFull, StorageUnavailable
from ..runtime.trust import tls_context
from .spool import BLOCK, Spool, in_thread, open_spool
from .storage import ID, check_id

EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
"""The SHA-256 of empty input."""

CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0
ATTEMPTS = 3
RETRY_DELAY = 0.3  # seconds, doubled
LARGEST = 5 * 1024**3
"""Maximum number of bytes in one PUT."""

LISTED = 500  # ids at a time
FULL = ("QuotaExceeded", "XMinioStorageFull", "InsufficientStorage", "ServiceQuotaExceededException")


class _Signer(S3SigV4Auth):  # type: ignore[misc]
    """Signs with a checksum of the body that is already known."""

    def payload(self, request: AWSRequest) -> str:
        return str(request.context["payload_sha256"])


class S3Storage:
    """Implements `MediaStorage`.

    Args:
        bucket, prefix: the place; the prefix belongs to one installation alone, because unknown files there are removed.
        endpoint: of a server other than Amazon's.
        region, access_key, secret_key: as the server's operator provides them.
        spools: where temporary files are kept.
        ca_bundle: a PEM file of certificate authorities to trust beside the system's.
    """

    shared = True
    begun = True

    def __init__(
        self,
        bucket: str,
        prefix: str,
        *,
        endpoint: str | None,
        region: str,
        access_key: str,
        secret_key: str,
        spools: Path | None = None,
        ca_bundle: str | None = None,
    ) -> None:
        self._endpoint = (endpoint or f"https://s3.{region}.amazonaws.com").rstrip("/")
        parts = urlsplit(self._endpoint)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise InvalidInput("the endpoint has to be an http:// or https:// address", field="endpoint")
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._spools = spools or Path(gettempdir()) / "rookery-media"
        self._signer = partial(_Signer, Credentials(access_key, secret_key), "s3", region)
        self._ca_bundle = ca_bundle
        self._client: httpx.AsyncClient | None = None
        self.place = f"s3:{parts.netloc}/{bucket}/{prefix}"
        self.location = f"s3://{bucket}/{prefix} at {parts.netloc}"

    @property
    def spools(self) -> Path:
        return self._spools

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        timeout = httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS)
        verify = tls_context(self._ca_bundle) if self._endpoint.startswith("https") else False
        async with httpx.AsyncClient(verify=verify, trust_env=False, timeout=timeout) as self._client:
            try:
                yield
            finally:
                self._client = None

    async def check(self) -> None:
        """Check access to the bucket. Raises StorageUnavailable."""
        async with self._exchange("GET", "", {"list-type": "2", "max-keys": "1", "prefix": self._prefix}) as answer:
            await answer.aread()

    async def keep(self, id: str, spool: Spool) -> None:
        if spool.size > LARGEST:
            raise StorageUnavailable(f"S3 takes {LARGEST} bytes in one piece, not {spool.size}")
        async with self._exchange("PUT", self._key(id), body=spool) as answer:
            await answer.aread()

    async def read(self, id: str, start: int, size: int) -> AsyncGenerator[bytes]:
        if size <= 0:
            return
        headers = {"Range": f"bytes={start}-{start + size - 1}"}
        async with self._exchange("GET", self._key(id), headers=headers) as answer:
            left = size
            try:
                async for piece in answer.aiter_raw(BLOCK):
                    left -= len(piece)
                    yield piece
            except httpx.HTTPError as error:
                raise StorageUnavailable(f"{self.location}: the connection broke: {_said(error)}") from None
            if left:
                raise FileNotFoundError(f"{id} is shorter than it was")

    @asynccontextmanager
    async def local(self, id: str) -> AsyncIterator[Path]:
        async with open_spool(self.spools, LARGEST) as spool:
            async with self._exchange("GET", self._key(id)) as answer:
                try:
                    async for piece in answer.aiter_raw(BLOCK):
                        await spool.write(piece)
                except httpx.HTTPError as error:
                    raise StorageUnavailable(f"{self.location}: the connection broke: {_said(error)}") from None
            await spool.finish()
            yield spool.path

    async def remove(self, ids: Collection[str]) -> None:
        for id in ids:
            try:
                async with self._exchange("DELETE", self._key(id)) as answer:
                    await answer.aread()
            except FileNotFoundError:
                pass

    async def older_than(self, seconds: float) -> AsyncGenerator[Sequence[str]]:
        before = time() - seconds
        token: str | None = None
        while True:
            query = {"list-type": "2", "max-keys": str(LISTED), "prefix": self._prefix}
            if token is not None:
                query["continuation-token"] = token
            async with self._exchange("GET", "", query) as answer:
                text = await answer.aread()
            found, token = _listed(text)
            yield [
                id
                for key, at in found
                if at < before and ID.fullmatch(id := key.removeprefix(self._prefix)) and key == self._key(id)
            ]
            if token is None:
                return

    def _key(self, id: str) -> str:
        return f"{self._prefix}{check_id(id)}"

    @asynccontextmanager
    async def _exchange(
        self,
        method: str,
        key: str,
        query: Mapping[str, str] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        body: Spool | None = None,
    ) -> AsyncIterator[httpx.Response]:
        """Send one request, and repeat it while the server is in trouble. Raises StorageFull, StorageUnavailable,
        FileNotFoundError."""
        async with AsyncExitStack() as stack:
            for attempt in range(1, ATTEMPTS + 1):
                try:
                    answer = await self._send(method, key, query or {}, headers or {}, body)
                except httpx.HTTPError as error:
                    if attempt == ATTEMPTS:
                        raise StorageUnavailable(f"{self.location} does not answer: {_said(error)}") from None
                else:
                    if answer.status_code < 300:
                        stack.push_async_callback(answer.aclose)
                        break
                    await self._refused(answer, again=attempt < ATTEMPTS)
                await trio.sleep(RETRY_DELAY * 2 ** (attempt - 1))
            yield answer

    async def _send(
        self, method: str, key: str, query: Mapping[str, str], headers: Mapping[str, str], body: Spool | None
    ) -> httpx.Response:
        if self._client is None:
            raise StorageUnavailable(f"{self.location} is not open")
        text = "&".join(f"{name}={quote(value, safe='')}" for name, value in sorted(query.items()))
        url = f"{self._endpoint}/{self._bucket}" + (f"/{quote(key)}" if key else "") + (f"?{text}" if text else "")
        to_sign = AWSRequest(method=method, url=url, headers=dict(headers))
        to_sign.context["payload_sha256"] = body.sha256 if body is not None else EMPTY
        self._signer().add_auth(to_sign)
        signed = dict(to_sign.headers.items())
        content = None
        if body is not None:
            signed["Content-Length"] = str(body.size)
            content = _blocks(body.path)
        request = self._client.build_request(method, url, headers=signed, content=content)
        return await self._client.send(request, stream=True)

    async def _refused(self, answer: httpx.Response, *, again: bool) -> None:
        """Returns when another attempt is worthwhile; otherwise raises."""
        try:
            code = _code(await answer.aread())
        except httpx.HTTPError:
            code = ""
        finally:
            await answer.aclose()
        if answer.status_code == 507 or code in FULL:
            raise StorageFull(f"{self.location}: there is no room left ({code or answer.status_code})")
        if answer.status_code == 404 and code != "NoSuchBucket":
            raise FileNotFoundError(code)
        if not (again and (answer.status_code >= 500 or answer.status_code == 429)):
            raise StorageUnavailable(f"{self.location} answers {answer.status_code} {code}".rstrip())

    def __repr__(self) -> str:
        return f"<S3Storage {self.location}>"


async def _blocks(path: Path) -> AsyncGenerator[bytes]:
    file = await in_thread("the temporary file cannot be read", lambda: path.open("rb"))
    try:
        while block := await in_thread("the temporary file cannot be read", lambda: file.read(BLOCK)):
            yield block
    finally:
        file.close()


def _said(error: httpx.HTTPError) -> str:
    return str(error) or type(error).__name__


def _code(text: bytes) -> str:
    """The error's name in an answer; empty without one."""
    try:
        return next((element.text or "" for element in ET.fromstring(text).iter() if _tag(element) == "Code"), "")  # noqa: S314
    except ET.ParseError:
        return ""


def _tag(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]


def _listed(text: bytes) -> tuple[list[tuple[str, float]], str | None]:
    """Keys and times on one page of a bucket's list, and the token to request the next page with. The operator chose
    the server, so its XML is trusted."""
    found, token = [], None
    try:
        root = ET.fromstring(text)  # noqa: S314
    except ET.ParseError:
        raise StorageUnavailable("the list of the bucket is not XML: is the endpoint an S3 server?") from None
    for element in root:
        if _tag(element) == "NextContinuationToken":
            token = element.text
        if _tag(element) == "Contents":
            facts = {_tag(part): part.text or "" for part in element}
            at = datetime.fromisoformat(facts["LastModified"]).timestamp()
            found.append((facts["Key"], at))
    return found, token
