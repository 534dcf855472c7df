"""Files over HTTP: uploads are streamed, downloads whole or in parts, access is checked, and no file is ever half stored."""

from __future__ import annotations

import hashlib
import resource
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from rookery import EngineSettings
from rookery.media.spool import Spool
from rookery_http.output.download import disposition
from support.waiting import until

PNG = b"\x89PNG not really " * 10_000
TYPE = {"Content-Type": "image/png"}
EXTERNAL = {"content-security-policy": "sandbox; default-src 'none'", "x-content-type-options": "nosniff"}


def files(data: Path) -> list[Path]:
    """Everything that lies in the storage."""
    media = data / "media"
    return [path for path in media.rglob("*") if path.is_file() and path.name != "place"] if media.exists() else []


async def upload(served: Any, content: Any = PNG, *, headers: Any = TYPE, **query: str) -> dict[str, Any]:
    answer = await served.client.post("/v1/media", content=content, headers=headers, params=query)
    assert answer.status_code == 201, answer.text
    return answer.json()  # type: ignore[no-any-return]


async def test_there_and_back(served: Any, tmp_path: Path) -> None:
    stored = await upload(served, filename="a ☃.png")
    digest = hashlib.sha256(PNG).hexdigest()
    assert (stored["size"], stored["sha256"], stored["content_type"]) == (len(PNG), digest, "image/png")
    assert (stored["origin"], stored["state"], stored["session"]) == ("uploaded", "stored", None)
    path = f"/v1/media/{stored['id']}"
    answer = await served.client.get(path)
    assert (answer.status_code, answer.content) == (200, PNG)
    assert answer.headers["content-type"] == "image/png"
    assert (
        answer.headers["content-disposition"] == "attachment; filename=\"a .png\"; filename*=UTF-8''a%20%E2%98%83.png"
    )
    assert EXTERNAL.items() <= dict(answer.headers).items()
    head = await served.client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    for name in ("content-length", "content-type", "etag", "accept-ranges", "content-disposition"):
        assert head.headers[name] == answer.headers[name]
    listed = (await served.client.get("/v1/media")).json()
    assert listed == {"media": [stored], "next": None}
    assert (await served.client.delete(path)).json() == {"id": stored["id"], "deleted": True}
    assert files(tmp_path) == []
    for method in ("GET", "HEAD", "DELETE"):
        assert (await served.client.request(method, path)).status_code == 404


PARTS = {
    "bytes=0-0": (0, 1),
    "bytes=5-9": (5, 10),
    "bytes=159990-": (159990, 160000),
    "bytes=-7": (159993, 160000),
    "bytes=159998-999999999": (159998, 160000),
    "bytes=-999999999": (0, 160000),
}


async def test_parts(served: Any) -> None:
    stored = await upload(served)
    for header, (start, end) in PARTS.items():
        answer = await served.client.get(f"/v1/media/{stored['id']}", headers={"Range": header})
        assert (answer.status_code, answer.content) == (206, PNG[start:end]), header
        assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{len(PNG)}"


async def test_conditions(served: Any) -> None:
    stored = await upload(served)
    path = f"/v1/media/{stored['id']}"
    etag = (await served.client.head(path)).headers["etag"]

    async def status(**headers: str) -> int:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = await served.client.get(path, headers=names)
        assert answer.status_code == 416 or answer.headers["etag"] == etag
        return answer.status_code  # type: ignore[no-any-return]

    for header in (f"bytes={len(PNG)}-", "bytes=999999999-"):
        answer = await served.client.get(path, headers={"Range": header})
        assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{len(PNG)}")
    for header in ("bytes=", "bytes=9-5", "bytes=a-b", "lines=1-2", "bytes=0-1,5-6", "nonsense"):
        assert await status(Range=header) == 200, header
    assert await status(If_None_Match=etag) == 304
    assert await status(If_None_Match=f'"x", W/{etag}') == 304
    assert await status(If_None_Match="*") == 304
    unchanged = await served.client.get(path, headers={"If-None-Match": etag})
    assert unchanged.headers["content-type"] == stored["content_type"], "a cache takes it over"
    assert await status(If_None_Match='"x"') == 200
    assert await status(Range="bytes=0-1", If_Range=etag) == 206
    assert await status(Range="bytes=0-1", If_Range=f"W/{etag}") == 200
    assert await status(Range="bytes=0-1", If_Range='"x"') == 200
    assert await status(Range="bytes=0-1", If_Range="Sat, 21 Nov 2026 12:00:00 GMT") == 200


def test_names_are_harmless() -> None:
    assert disposition(None) == "attachment"
    assert disposition("...") == "attachment"
    assert disposition("../../etc/passwd") == 'attachment; filename="passwd"'
    assert disposition("C:\\x\\a.txt") == 'attachment; filename="a.txt"'
    assert (
        disposition('a"b\r\nX: y;.html')
        == "attachment; filename=\"a_bX_ y_.html\"; filename*=UTF-8''a%22bX%3A%20y%3B.html"
    )
    assert disposition("☃") == "attachment; filename=\"file\"; filename*=UTF-8''%E2%98%83"
    assert len(disposition("ü" * 5000)) < 2000


async def test_a_form_with_one_file(served: Any, tmp_path: Path) -> None:
    part = {"file": ("b.png", PNG, "image/png")}
    answer = await served.client.post("/v1/media", files=part)
    assert answer.status_code == 201, answer.text
    stored = answer.json()
    assert (stored["filename"], stored["content_type"], stored["size"]) == ("b.png", "image/png", len(PNG))
    assert (await served.client.get(f"/v1/media/{stored['id']}")).content == PNG
    named = await served.client.post("/v1/media?filename=c.png", files=part)
    assert named.json()["filename"] == "c.png"
    before = files(tmp_path)
    form = {"Content-Type": "multipart/form-data; boundary=x"}
    whole = b'--x\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\nabc\r\n--x'
    for status, sent in [
        (400, {"files": {"other": ("b.png", PNG)}}),
        (400, {"files": [("file", ("b.png", PNG)), ("file", ("c.png", PNG))]}),
        (400, {"files": {"file": ("b.png", b"")}}),
        (400, {"content": whole, "headers": form}),
        (400, {"content": whole[:60], "headers": form}),
        (400, {"content": b"no form", "headers": form}),
        (400, {"content": whole, "headers": {"Content-Type": "multipart/form-data"}}),
        (415, {"files": {"file": ("b.png", PNG, "nonsense")}}),
    ]:
        answer = await served.client.post("/v1/media", **sent)  # type: ignore[arg-type]
        assert answer.status_code == status, (sent, answer.text)
    assert files(tmp_path) == before
    assert (await served.client.post("/v1/media", content=whole + b"--\r\n", headers=form)).status_code == 201


async def test_what_is_refused(served: Any, tmp_path: Path) -> None:
    post = served.client.post
    untyped = httpx.Request("POST", f"{served.url}/v1/media", content=PNG)
    assert (await served.client.send(untyped)).status_code == 415
    for kind in ("nonsense", "a/b/c", "application/x-www-form-urlencoded", "x/" + "y" * 300):
        answer = await post("/v1/media", content=PNG, headers={"Content-Type": kind})
        assert answer.status_code == 415, kind
    no_header = await post("/v1/media", content=PNG, headers={"Content-Type": "image/png\x7f"})
    assert no_header.status_code == 400, "a control character makes no header (RFC 9110, 5.5)"
    assert (await post("/v1/media", content=PNG, headers=TYPE | {"Content-Encoding": "gzip"})).status_code == 415
    assert (await post("/v1/media", content=b"", headers=TYPE)).status_code == 400
    assert (await post("/v1/media?session=nobody", content=PNG, headers=TYPE)).status_code == 404
    assert (await post("/v1/media?filename=a%0Ab", content=PNG, headers=TYPE)).status_code == 400
    assert (await post("/v1/media?x=y", content=PNG, headers=TYPE)).status_code == 400
    async with await trio.open_tcp_stream("127.0.0.1", served.port) as stream:
        await stream.send_all(b"POST /v1/media HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/png\r\n\r\n")
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 411 ")
    assert files(tmp_path) == []


async def test_size_and_types_have_limits(serve: Any, tmp_path: Path) -> None:
    engine = EngineSettings(media_max_size=100_000, media_types="image/*, application/pdf")
    async with serve(engine=engine) as served:

        async def in_chunks() -> AsyncIterator[bytes]:
            for _ in range(30):
                yield b"x" * 5000

        for content in (PNG, in_chunks()):
            answer = await served.client.post("/v1/media", content=content, headers=TYPE)
            assert (answer.status_code, answer.json()["limit"]) == (413, "ROOKERY_MEDIA_MAX_SIZE")
            assert "100000 bytes" in answer.json()["detail"]
        answer = await served.client.post("/v1/media", files={"file": ("a", PNG[:100_001], "image/png")})
        assert answer.status_code == 413
        assert files(tmp_path) == []
        assert (await upload(served, PNG[:100_000]))["size"] == 100_000
        answer = await served.client.post("/v1/media", files={"file": ("a", PNG[:100_000], "application/pdf")})
        assert answer.status_code == 201
        answer = await served.client.post("/v1/media", content=b"x", headers={"Content-Type": "text/html"})
        assert answer.status_code == 415
        assert "image/*" in answer.json()["detail"]


@pytest.mark.parametrize("length", [b"Content-Length: 3000000", b"Transfer-Encoding: chunked"])
async def test_a_client_that_goes_half_way_leaves_nothing(served: Any, tmp_path: Path, length: Any) -> None:
    head = b"POST /v1/media HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/png\r\n" + length + b"\r\n\r\n"
    piece = b"x" * 1_500_000
    if b"chunked" in length:
        piece = b"%x\r\n%b\r\n" % (len(piece), piece)
    with trio.fail_after(20):
        async with await trio.open_tcp_stream("127.0.0.1", served.port) as stream:
            await stream.send_all(head + piece)
            await until(lambda: any(path.stat().st_size >= 1_000_000 for path in files(tmp_path)))
        await until(lambda: not files(tmp_path))
    assert (await served.client.get("/v1/media")).json()["media"] == []


async def test_a_client_that_stalls_gets_a_408(serve: Any, tmp_path: Path) -> None:
    async with serve(body_timeout=0.2) as served, await trio.open_tcp_stream("127.0.0.1", served.port) as stream:
        await stream.send_all(
            b"POST /v1/media HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/png\r\nContent-Length: 9\r\n\r\nabc"
        )
        with trio.fail_after(20):
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 408 ")
        assert files(tmp_path) == []


async def test_a_slow_disk_holds_the_client_back(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Data that is not written yet stays with the client, apart from the sockets' buffers."""
    size, go_on, write = 40_000_000, trio.Event(), Spool.write

    async def held(self: Spool, data: bytes) -> None:
        await go_on.wait()
        await write(self, data)

    monkeypatch.setattr(Spool, "write", held)
    head = f"POST /v1/media HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: a/b\r\nContent-Length: {size}\r\n\r\n"
    sent = 0
    async with await trio.open_tcp_stream("127.0.0.1", served.port) as stream:
        await stream.send_all(head.encode())
        for most in (1.0, 40.0):
            with trio.move_on_after(most) as scope:
                while sent < size:
                    await trio.lowlevel.wait_writable(stream.socket)
                    sent += await stream.socket.send(bytes(min(100_000, size - sent)))
            assert scope.cancelled_caught is (most == 1.0)
            if most == 1.0:
                assert sent < size / 2
                go_on.set()
        with trio.fail_after(40):
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 201 ")


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file of this process may grow beyond."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_full_disk_is_reported(served: Any, tmp_path: Path) -> None:
    with largest_file(2 * 1024 * 1024):
        answer = await served.client.post("/v1/media", content=bytes(3_000_000), headers=TYPE)
    assert (answer.status_code, answer.json()["title"]) == (507, "No room left")
    assert files(tmp_path) == []
    assert (await served.client.get("/v1/media")).json()["media"] == []
    assert (await upload(served))["size"] == len(PNG)


async def test_lists_go_by_cursor(served: Any) -> None:
    await served.add()
    ids = [(await upload(served, filename=f"{n}"))["id"] for n in range(3)]
    mine = await upload(served, session="polly")
    page = (await served.client.get("/v1/media?limit=3")).json()
    assert [file["id"] for file in page["media"]] == [mine["id"], ids[2], ids[1]]
    rest = (await served.client.get(f"/v1/media?limit=3&before={page['next']}")).json()
    assert ([file["id"] for file in rest["media"]], rest["next"]) == ([ids[0]], None)
    assert (await served.client.get("/v1/media?session=polly")).json()["media"] == [mine]
    assert (await served.client.get("/v1/media?origin=inbound")).json()["media"] == []
    assert (await served.client.get("/v1/media?state=lost")).status_code == 400


async def test_keys_see_the_files_of_their_sessions(serve: Any) -> None:
    async with serve(key="admin") as served:
        for id in ("one", "two", "three"):
            await served.add(id)
        theirs, nobodys = await upload(served, session="three"), await upload(served)
        keys = {}
        for sessions in (["one"], ["one", "two"]):
            made = await served.client.post("/v1/keys", json={"scopes": ["read", "send"], "sessions": sessions})
            keys[len(sessions)] = {"Authorization": f"Bearer {made.json()['key']}"}
        async with httpx.AsyncClient(base_url=served.url, trust_env=False) as client:
            own = await client.post("/v1/media", content=PNG, headers=TYPE | keys[1])
            assert (own.status_code, own.json()["session"]) == (201, "one")
            refused = await client.post("/v1/media", content=PNG, headers=TYPE | keys[2])
            assert (refused.status_code, "name the one" in refused.text) == (403, True)
            second = await client.post("/v1/media?session=two", content=PNG, headers=TYPE | keys[2])
            assert second.status_code == 201
            unknown = await client.post("/v1/media?session=nobody", content=PNG, headers=TYPE | keys[1])
            foreign = await client.post("/v1/media?session=three", content=PNG, headers=TYPE | keys[1])
            assert (unknown.status_code, foreign.status_code) == (404, 404)
            assert (await client.get("/v1/media", headers=keys[1])).json()["media"] == [own.json()]
            assert len((await client.get("/v1/media", headers=keys[2])).json()["media"]) == 2
            for id in (theirs["id"], nobodys["id"], second.json()["id"]):
                for method in ("GET", "DELETE"):
                    answer = await client.request(method, f"/v1/media/{id}", headers=keys[1])
                    assert (answer.status_code, answer.json()["detail"]) == (404, f"there is no media '{id}'")
            told = set()
            for id in (theirs["id"], nobodys["id"], "nothing", "event-7"):
                body = {"to": "7", "type": "image", "media": id}
                answer = await client.post("/v1/sessions/one/messages", json=body, headers=keys[1])
                told.add((answer.status_code, answer.json()["detail"].replace(id, "ID")))
            assert told == {(404, "there is no media 'ID'")}
            body = {"to": "7", "type": "image", "media": own.json()["id"]}
            sent = await client.post("/v1/sessions/one/messages", json=body, headers=keys[1])
            assert (sent.status_code, sent.json()["state"]) == (200, "sent")
        left = await served.client.get(f"/v1/media/{theirs['id']}")
        assert left.content == PNG


async def test_files_of_events(served: Any) -> None:
    await served.add()
    inbox = served.parrot.inboxes["polly"]
    await served.parrot.say("polly", "no file")
    from rookery.model.event import NewEvent

    body = b'{"kind": "image", "text": "", "media": {"mime_type": "image/png", "filename": "p.png", "size": 6}}'
    await inbox.commit([NewEvent("m1", "message", 1.0, "7", "9", body, b"null")], None)
    events = (await served.client.get("/v1/events", params={"type": "message"})).json()["events"]
    assert "media" not in events[0]["body"]
    path = events[1]["body"]["media"]["href"]
    assert path == f"/v1/events/{events[1]['id']}/media"
    answer = await served.client.get(path)
    assert (answer.status_code, answer.content) == (200, b"parrot"), answer.text
    assert answer.headers["content-disposition"] == 'attachment; filename="p.png"'
    unnamed = await served.engine.store_media(b"x", content_type="image/png; q=1")
    answer = await served.client.get(f"/v1/media/{unnamed.id}")
    assert answer.headers["content-disposition"] == f'attachment; filename="{unnamed.id}.png"'
    assert served.parrot.fetched == 1
    stored = (await served.client.post(path)).json()
    assert (stored["id"], stored["origin"], stored["event"]) == (f"event-{events[1]['id']}", "inbound", events[1]["id"])
    assert (await served.client.get(f"/v1/media/{stored['id']}")).content == b"parrot"
    assert served.parrot.fetched == 1, "once is enough"
    sent = await served.client.post(
        "/v1/sessions/polly/messages", json={"to": "8", "type": "image", "media": stored["id"]}
    )
    assert sent.json()["state"] == "sent"
    without = await served.client.get(f"/v1/events/{events[0]['id']}/media")
    assert (without.status_code, without.json()["detail"]) == (404, f"there is no media 'event-{events[0]['id']}'")
    for id in ("9999", "x", "0", "99999999999999999999"):
        assert (await served.client.get(f"/v1/events/{id}/media")).status_code == 404
        assert (await served.client.get(f"/v1/media/event-{id}")).status_code == 404
