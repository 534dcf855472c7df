"""Encrypted brokers with a private authority: trusted with the bundle, else a clear error; no password is shown."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
import trustme

from rookery import Engine, EngineSettings, open_engine
from support.brokers.commands import command, put
from support.brokers.servers import KINDS, SECRET, TlsFiles, open_broker
from support.fake_platform import FakePlatform


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def files_of(authority: trustme.CA, directory: Path) -> TlsFiles:
    """Certificates of a broker on this machine, and the bundle that trusts them."""
    made = TlsFiles(directory / "ca.pem", directory / "cert.pem", directory / "key.pem")
    issued = authority.issue_cert("127.0.0.1", "localhost")
    authority.cert_pem.write_to_path(made.authority)
    issued.private_key_pem.write_to_path(made.key)
    for number, blob in enumerate(issued.cert_chain_pems):
        blob.write_to_path(made.certificate, append=number > 0)
    return made


@asynccontextmanager
async def engine_with(bundle: Path | None, store: str) -> AsyncIterator[Engine]:
    settings = EngineSettings(webhook_timeout=5.0, ca_bundle=None if bundle is None else str(bundle))
    async with open_engine(store=store, providers=[FakePlatform()], settings=settings) as engine:
        yield engine


@pytest.mark.parametrize("kind", KINDS)
async def test_an_encrypted_broker(kind: str, authority: trustme.CA, tmp_path: Path) -> None:
    files = files_of(authority, tmp_path)
    stranger = tmp_path / "stranger.pem"
    trustme.CA().cert_pem.write_to_path(stranger)
    store = f"sqlite:///{tmp_path}/rookery.db"
    async with open_broker(kind, tmp_path, tls=files) as broker:
        assert SECRET in broker.url
        async with engine_with(files.authority, store) as engine:
            sink = await engine.create_sink(url=broker.url, commands="commands", id="k")
            assert SECRET not in repr(sink)
            attempt, _ = await engine.test_sink("k")
            assert attempt.error is None
            await engine.create_session(id="shop", platform="fake", credentials={"token": "t"})
            with trio.fail_after(20):
                await engine.wait_status("shop", "CONNECTED")  # type: ignore[arg-type]
            await put(broker, [command("1", session="shop", to="7", text="encrypted")])
            with trio.fail_after(30):
                while not (await engine.webhook_facts())["k"].commands_accepted:
                    await trio.sleep(0.02)
        for bundle in (stranger, None):
            async with engine_with(bundle, store) as engine:
                attempt, _ = await engine.test_sink("k")
                assert not attempt.delivered
                assert attempt.error is not None
                assert "certificate" in attempt.error.lower(), attempt.error
                assert SECRET not in attempt.error
                with trio.fail_after(30):
                    while "certificate" not in str((await engine.webhook_facts())["k"].command_error).lower():
                        await trio.sleep(0.02)
    for file in tmp_path.glob("rookery.db*"):
        assert SECRET.encode() not in file.read_bytes()
