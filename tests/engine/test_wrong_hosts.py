"""Opening an engine where it cannot run, under asyncio or in a read-only directory, raises an error that says why."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path

import pytest

from rookery import open_engine
from rookery.errors import InvalidInput, SecretKeyError
from rookery.store.open import store_from_url
from rookery.store.secrets import load_or_create_key


def test_a_program_on_asyncio_is_told_about_trio(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_engine(store=f"sqlite:///{tmp_path}/a.db", providers=[]):
            pass

    with pytest.raises(RuntimeError, match=r"Rookery runs on Trio: .*trio\.run\(main\)"):
        asyncio.run(main())
    assert not list(tmp_path.iterdir())


def test_a_key_file_that_cannot_be_created_blames_the_directory(tmp_path: Path) -> None:
    not_a_directory = tmp_path / "file"
    not_a_directory.touch()
    with pytest.raises(SecretKeyError, match=r"make the directory .* writable"):
        load_or_create_key(not_a_directory / "rookery.db.key")


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_read_only_directory_is_blamed(tmp_path: Path) -> None:
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(SecretKeyError, match=r"make the directory .* writable"):
        load_or_create_key(tmp_path / "rookery.db.key")


@pytest.mark.parametrize(
    "url", ["postgresql://u:hush@[::1/x", "postgresql://u:hush@db:999999/x", "postgres://hush@db:0/x"]
)
def test_an_invalid_postgresql_url_is_reported_without_its_password(url: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        store_from_url(url, secret_key="k" * 32)
    assert "postgresql://user:password@host:5432/database" in str(caught.value)
    assert "hush" not in str(caught.value)
