"""Secrets at rest: keys, the key file, wrong keys, rotation."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from rookery.errors import InvalidInput, SecretKeyError
from rookery.model.session import SessionChange
from rookery.store.contract import Store
from rookery.store.open import SqliteStore, store_from_url
from rookery.store.secrets import SecretBox, load_or_create_key
from store.backends import KEY, Backend, SqliteBackend
from store.building import HOOK_SECRET, TOKEN, create_and_claim, event, new_session, webhook


def test_every_key_decrypts_and_the_newest_encrypts() -> None:
    fernet_key = Fernet.generate_key().decode()
    old, new, both = SecretBox(["old"]), SecretBox([fernet_key]), SecretBox.from_text(f" {fernet_key} , old ,")
    token = old.encrypt("text \ud800 ü")
    assert both.decrypt(token) == "text \ud800 ü"
    assert not both.is_current(token)
    assert both.is_current(both.encrypt("x"))
    assert new.decrypt(both.encrypt("x")) == "x"
    with pytest.raises(SecretKeyError, match="`secret_key`"):
        new.decrypt(token)
    with pytest.raises(SecretKeyError):
        new.decrypt("not a token, not even ASCII: ü")


def test_documents() -> None:
    box = SecretBox(["k"])
    assert box.unseal(box.seal({"a": [1, "ü"]})) == {"a": [1, "ü"]}
    assert box.seal({}) == ""
    assert box.unseal("") == {}
    with pytest.raises(InvalidInput):
        box.seal({"a": "\ud800"})
    assert box.unseal(box.seal({"a": 2**70})) == {"a": 2**70}


@pytest.mark.parametrize("text", [None, "", " , ,"])
def test_without_a_key_it_says_how_to_get_one(text: str | None) -> None:
    with pytest.raises(SecretKeyError, match=r"`secret_key`.*token_urlsafe"):
        SecretBox.from_text(text)


def test_a_key_is_never_shown() -> None:
    box = SecretBox(["hunter2", "hunter1"])
    assert "hunter" not in repr(box) + str(vars(box))


async def test_a_store_in_a_directory_that_is_not_there_yet(tmp_path: Path) -> None:
    directory = tmp_path / "new" / "deep"
    async with store_from_url(f"sqlite:///{directory}/bots.db").open():
        pass
    assert directory.stat().st_mode & 0o777 == 0o700


def test_the_key_file_is_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "bots.db.key"
    key = load_or_create_key(path)
    assert len(key) >= 43
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_or_create_key(path) == key
    assert [file.name for file in tmp_path.iterdir()] == ["bots.db.key"]


def test_a_key_file_that_cannot_be_used_is_left_alone(tmp_path: Path) -> None:
    empty, binary, directory = tmp_path / "empty", tmp_path / "binary", tmp_path / "directory"
    empty.write_text(" \n")
    binary.write_bytes(b"\xff\xfe")
    directory.mkdir()
    for path in (empty, binary, directory, tmp_path / "missing" / "key"):
        with pytest.raises(SecretKeyError, match=str(path)):
            load_or_create_key(path)
    assert empty.read_text() == " \n"


async def fill(store: Store) -> None:
    lease = await create_and_claim(store)
    await store.create_webhook(webhook())
    await store.append(lease, [event(1)], None)
    await store.update_session("shop", SessionChange(settings={"proxy": f"http://u:{TOKEN}@proxy"}), now=1.0)
    await store.save_credentials(lease, {"token": TOKEN, "more": "x"})


def on_disk(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in path.parent.iterdir() if file.is_file())


async def test_secrets_are_not_in_the_files(tmp_path: Path) -> None:
    backend = SqliteBackend(tmp_path / "rookery.db")
    store = backend.make()
    async with store.open():
        await fill(store)
        assert TOKEN.encode() not in on_disk(backend.path)
        assert HOOK_SECRET.encode() not in on_disk(backend.path)
        assert b"example.org" in on_disk(backend.path)  # the search itself works
        assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in files(tmp_path)} == {0o600}
    assert TOKEN.encode() not in on_disk(backend.path)


async def test_a_wrong_key_is_noticed_at_once_and_changes_nothing(durable: Backend) -> None:
    async with durable.make().open():
        pass
    with pytest.raises(SecretKeyError, match="Nothing was changed"):
        async with durable.make("another key").open():
            pass
    store = durable.make()
    async with store.open():
        await store.create_session(new_session())
    with pytest.raises(SecretKeyError):
        async with durable.make("another key,and another").open():
            pass
    async with store.open():
        assert (await store.get_session("shop")).credentials == {"token": TOKEN}


async def test_a_key_is_rotated_by_opening_with_both(durable: Backend) -> None:
    store = durable.make()
    async with store.open():
        await fill(store)
        await store.create_session(new_session("plain", credentials={}, settings={}))
    async with durable.make(f"new key,{KEY}").open():
        pass
    with pytest.raises(SecretKeyError):
        async with durable.make().open():
            pass
    store = durable.make("new key")
    async with store.open():
        session = await store.get_session("shop")
        assert session.credentials == {"token": TOKEN, "more": "x"}
        assert session.settings["proxy"].endswith("@proxy")
        assert (await store.get_session("plain")).credentials == {}
        assert (await store.get_webhook("hook")).secret == HOOK_SECRET


async def test_a_url_names_the_store_and_its_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for url in ("sqlite:///one.db", f"sqlite:///{tmp_path}/two.db", "memory:", "sqlite://"):
        store = store_from_url(url)
        async with store.open():
            await store.create_session(new_session())
    assert files(tmp_path) >= {"one.db", "one.db.key", "two.db", "two.db.key"}
    assert (await read(store_from_url("sqlite:///one.db"))) == {"token": TOKEN}
    os.rename("one.db.key", "elsewhere.key")
    with pytest.raises(SecretKeyError, match=r"one\.db\.key"):
        store_from_url("sqlite:///one.db")
    assert "one.db.key" not in files(tmp_path)
    key = load_or_create_key("elsewhere.key")
    assert await read(store_from_url("sqlite:///one.db", secret_key=key)) == {"token": TOKEN}


def files(directory: Path) -> set[str]:
    return {file.name for file in directory.iterdir()}


async def read(store: Store) -> object:
    async with store.open():
        return (await store.get_session("shop")).credentials


@pytest.mark.parametrize(
    "url", ["", "bots.db", "sqlite:bots.db", "sqlite:/bots.db", "sqlite:///", "mysql://me:hunter2@host/db", "redis:"]
)
def test_another_url_is_refused_with_the_forms_that_work(url: str) -> None:
    with pytest.raises(InvalidInput, match=r"sqlite:///.*postgresql://") as caught:
        store_from_url(url, secret_key="k")
    assert "hunter2" not in str(caught.value)


def test_a_store_shows_where_it_is(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "x.db", SecretBox(["hunter2"]))
    assert store.location == str(tmp_path / "x.db")
    assert "hunter2" not in repr(store)


def test_a_random_key_is_named_without_stretching(monkeypatch: pytest.MonkeyPatch) -> None:
    stretched: list[str] = []

    def stretch(key: str) -> bytes:
        stretched.append(key)
        return bytes(32)

    monkeypatch.setattr("rookery.store.secrets._stretched", stretch)
    key, other = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    assert SecretBox([key, other]).names == SecretBox([key, other]).names
    assert SecretBox([key]).names != SecretBox([other]).names
    assert stretched == []
    assert len(SecretBox(["a passphrase of the operator's"]).names[0]) == 16
    assert stretched == ["a passphrase of the operator's"]
