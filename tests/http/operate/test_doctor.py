"""`rookery doctor`: every finding has its test, and a sentence that says what to do."""

from __future__ import annotations

import json
import os
import resource
import time
from pathlib import Path

import pytest
import trio

from rookery import open_engine
from rookery.errors import ProviderError, TerminalError
from rookery.model.session import Action, Reason
from rookery.provider.capabilities import Reached
from rookery.store.contract import Store
from rookery.store.open import inspect_store
from rookery_http import platforms
from rookery_http.cli import application
from rookery_http.config.storage import DATABASE
from rookery_http.operate import doctor, doctor_storage
from rookery_http.operate.doctor import examine
from rookery_http.operate.finding import Finding, worst
from rookery_simulator.bot_api import open_bot_api_simulator
from rookery_telegram import Telegram
from rookery_whatsapp import WhatsApp
from rookery_whatsapp import provider as whatsapp_provider
from store.backends import KEY, PostgresBackend
from store.building import new_session
from support.s3_server import REGION, S3Server


class There:
    """A platform that can be reached, or not."""

    platform = "parrot"

    def __init__(self, error: Exception | None = None, *, ahead: float | None = 0.5, hangs: bool = False) -> None:
        self.error = error
        self.ahead = ahead
        self.hangs = hangs

    async def reach(self) -> Reached:
        if self.hangs:
            await trio.sleep_forever()
        if self.error is not None:
            raise self.error
        return Reached("it is there", self.ahead)


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROOKERY_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)


async def test_where_files_are_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, s3: S3Server) -> None:
    assert (await found())["media"].detail == str(tmp_path / "media")
    for name, value in {
        "ROOKERY_MEDIA": f"s3://{s3.bucket()}/files",
        "ROOKERY_S3_ENDPOINT": s3.endpoint,
        "ROOKERY_S3_REGION": REGION,
        "ROOKERY_S3_ACCESS_KEY": s3.access_key,
        "ROOKERY_S3_SECRET_KEY": s3.secret_key,
    }.items():
        monkeypatch.setenv(name, value)
    assert (await found())["media"].level == "ok"
    monkeypatch.setenv("ROOKERY_S3_SECRET_KEY", "not-this-one")
    finding = (await found())["media"]
    assert (finding.level, "403 SignatureDoesNotMatch" in finding.detail) == ("error", True)
    assert "not-this-one" not in finding.detail


async def found(provider: object | None = None, **options: float) -> dict[str, Finding]:
    findings = await examine({}, lambda _: [provider or There()], **options)  # type: ignore[list-item]
    assert all(finding.detail for finding in findings)
    assert all(bool(finding.advice) == (finding.level != "ok") for finding in findings)
    return {finding.subject: finding for finding in findings}


async def make_database(tmp_path: Path, *, platform: str | None = None, enabled: bool = True, key: str = KEY) -> None:
    async with open_engine(store=f"sqlite:///{tmp_path}/{DATABASE}", providers=[], secret_key=key) as engine:
        if platform is not None:
            await engine.store.create_session(new_session(platform=platform, enabled=enabled))


async def test_a_fresh_machine_is_fine(tmp_path: Path) -> None:
    findings = await found()
    assert worst(list(findings.values())) == "warning"
    assert {name for name, finding in findings.items() if finding.level != "ok"} <= {"secret key", "memory"}
    assert findings["parrot"].detail == "it is there"
    assert findings["clock"].detail == "agrees with parrot"
    assert not (tmp_path / DATABASE).exists(), "it only looks"


async def test_mistakes_in_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROOKERY_PORT", "many")
    findings = await found()
    assert findings.keys() == {"configuration"}
    assert "ROOKERY_PORT" in findings["configuration"].detail
    monkeypatch.delenv("ROOKERY_PORT")
    unknown = await examine({"ROOKERY_HOTS": "x"}, lambda _: [])
    assert any("ROOKERY_HOST is" in finding.detail and finding.level == "warning" for finding in unknown)


async def test_a_short_api_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROOKERY_API_KEY", "short")
    findings = await found()
    assert findings["API key"].level == "warning"
    assert "short" not in findings["API key"].detail.replace("shorter", "")
    monkeypatch.setenv("ROOKERY_API_KEY", "x" * 40)
    assert (await found())["API key"].level == "ok"


async def test_a_database_in_use_is_looked_at_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROOKERY_SECRET_KEY", KEY)
    async with open_engine(store=f"sqlite:///{tmp_path}/{DATABASE}", providers=[], secret_key=KEY) as engine:
        await engine.store.create_session(new_session(enabled=False))
        findings = await found()
        assert "0 of 1 sessions enabled, used by" in findings["database"].detail
        assert (findings["database"].level, findings["secret key"].level) == ("ok", "ok")
    assert "used by" not in (await found())["database"].detail


async def test_a_key_that_does_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await make_database(tmp_path)
    monkeypatch.setenv("ROOKERY_SECRET_KEY", "quite another passphrase")
    assert (await found())["secret key"].level == "error"
    monkeypatch.setenv("ROOKERY_SECRET_KEY", f"new passphrase,{KEY}")
    assert (await found())["secret key"].level == "ok"
    monkeypatch.delenv("ROOKERY_SECRET_KEY")
    assert (await found())["secret key"].level == "error", "neither a key nor a key file"


async def test_a_database_of_the_future_and_one_that_is_none(tmp_path: Path) -> None:
    import sqlite3

    await make_database(tmp_path)
    with sqlite3.connect(tmp_path / DATABASE) as database:
        database.execute("UPDATE schema_migrations SET version = version + 1000")
    database.close()
    assert "this Rookery knows" in (await found())["database"].detail
    (tmp_path / DATABASE).write_bytes(b"no database" * 1000)
    assert (await found())["database"].level == "error"


async def test_a_directory_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert (await found())["data directory"].level == "error"
    monkeypatch.undo()
    monkeypatch.setenv("ROOKERY_DATA_DIR", str(tmp_path / "not" / "yet"))
    assert (await found())["data directory"].level == "ok"


@pytest.mark.parametrize("variable", ["ROOKERY_DATA_DIR", "ROOKERY_MEDIA"])
async def test_what_cannot_be_a_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    subject = {"ROOKERY_DATA_DIR": "data directory", "ROOKERY_MEDIA": "media"}[variable]
    file = tmp_path / "file"
    file.touch()
    for place in (file, file / "beneath", Path("/proc/rookery"), tmp_path / ("x" * 300)):
        monkeypatch.setenv(variable, str(place))
        findings = await found()
        assert findings[subject].level == "error", place
        assert variable in findings[subject].advice
        assert "database" not in findings or variable == "ROOKERY_MEDIA" or findings["database"].level == "error"
    monkeypatch.setenv(variable, str(tmp_path / "new"))
    assert (await found())[subject].level == "ok"
    assert os.listdir(tmp_path) == ["file"], "nothing is left behind"


async def test_a_database_that_is_not_writable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / DATABASE).touch()
    monkeypatch.setattr(os, "access", lambda path, _: Path(path).is_dir())
    findings = [finding for finding in await examine({}, lambda _: [There()]) if finding.subject == "database"]  # type: ignore[list-item]
    assert (findings[0].level, "is not writable" in findings[0].detail) == ("error", True)


async def test_a_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_storage, "DISK_LEAST", 1 << 60)
    assert (await found())["data directory"].level == "warning"


@pytest.mark.parametrize(("given", "level"), [(8.0, "error"), (7.0, "error"), (9.0, "ok"), (15.0, "ok")])
async def test_the_grace_and_what_stops_the_container(given: float, level: str) -> None:
    assert (await found(stop_grace=given))["shutdown"].level == level


async def test_the_grace_in_kubernetes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROOKERY_SHUTDOWN_GRACE", "40")
    findings = await examine({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, lambda _: [])
    [shutdown] = [finding for finding in findings if finding.subject == "shutdown"]
    assert shutdown.level == "error"
    assert "terminationGracePeriodSeconds" in shutdown.advice


async def test_too_few_files_for_the_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAX_CONCURRENT_SESSIONS", "1000")
    monkeypatch.setattr(doctor.resource, "getrlimit", lambda _: (1024, 1024))  # type: ignore[attr-defined]
    finding = (await found())["open files"]
    assert finding.level == "error"
    assert "3200" in finding.advice
    monkeypatch.setattr(doctor.resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))  # type: ignore[attr-defined]
    assert (await found())["open files"].level == "ok"


async def test_less_memory_than_the_setting_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "container_limit", lambda: 256 * 1024**2)
    assert (await found())["memory"].level == "warning"
    monkeypatch.setattr(doctor, "container_limit", lambda: None)
    assert (await found())["memory"].level == "ok"


@pytest.mark.parametrize(
    "error",
    [
        ProviderError("parrot.example does not answer"),
        TerminalError("the library is missing", reason=Reason.CONFIGURATION, action=Action.FIX_CONFIGURATION),
    ],
)
async def test_a_platform_that_cannot_be_reached(tmp_path: Path, error: Exception) -> None:
    assert (await found(There(error)))["parrot"].level == "warning", "no session needs it"
    await make_database(tmp_path, platform="parrot", enabled=False)
    assert (await found(There(error)))["parrot"].level == "warning", "no enabled session needs it"


async def test_a_platform_that_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    monkeypatch.setenv("ROOKERY_SECRET_KEY", KEY)
    # In a run of its own, on the real clock: the file has threads.
    await trio.to_thread.run_sync(lambda: trio.run(lambda: make_database(tmp_path, platform="parrot")))
    assert (await found(There(ProviderError("gone"))))["parrot"].level == "error"
    finding = (await found(There(hangs=True)))["parrot"]
    assert (finding.level, finding.detail) == ("error", "no answer within 10 s")


@pytest.mark.parametrize(("ahead", "level"), [(4.0, "ok"), (-90.0, "error"), (90.0, "error"), (None, "ok")])
async def test_a_clock_that_is_wrong(ahead: float | None, level: str) -> None:
    assert (await found(There(ahead=ahead)))["clock"].level == level


async def test_a_clock_that_was_never_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "NOT_BEFORE", time.time() + 1000)
    assert (await found())["clock"].level == "error"


async def test_telegram_is_reached() -> None:
    async with open_bot_api_simulator() as simulator:
        reached = await Telegram(api_url=simulator.url).reach()
        assert reached.detail == "127.0.0.1 answers"
        url = simulator.url
    with pytest.raises(ProviderError, match="does not answer"):
        await Telegram(api_url=url).reach()


async def test_whatsapp_is_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whatsapp_provider, "SERVER", "127.0.0.1")  # nothing listens on its port 443
    monkeypatch.setattr(whatsapp_provider, "find_spec", lambda name: object())
    with pytest.raises(ProviderError, match="does not answer"):
        await WhatsApp(data_dir=tmp_path).reach()
    monkeypatch.setattr(whatsapp_provider, "find_spec", lambda name: None)
    with pytest.raises(TerminalError, match="extra `whatsapp`"):
        await WhatsApp(data_dir=tmp_path).reach()


async def test_the_facts_of_postgresql(postgres: PostgresBackend) -> None:
    url = f"{postgres.url}{'&' if '?' in postgres.url else '?'}schema={postgres.schema}"
    facts = await inspect_store(url, KEY)
    assert (facts.exists, facts.version) == (False, 0)
    store: Store = postgres.make()
    async with store.open():
        await store.create_session(new_session())
        await store.create_session(new_session("off", enabled=False))
        await store.claim("somebody", limit=1, now=0, ttl=60)
        facts = await inspect_store(url, KEY)
        assert (facts.exists, facts.version, facts.key_fits) == (True, facts.newest, True)
        assert (facts.sessions, facts.enabled, facts.platforms) == (2, 1, {"telegram": 1})
        assert facts.used_by == "1 instances"
        assert facts.clock_ahead is not None
        assert abs(facts.clock_ahead) < 5
        assert (await inspect_store(url, "another key altogether")).key_fits is False


async def test_a_postgresql_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody:hush-hush@127.0.0.1:1/none")
    monkeypatch.setenv("ROOKERY_SECRET_KEY", KEY)
    findings = await found()
    assert findings["database"].level == "error"
    assert "hush-hush" not in str(findings)


@pytest.mark.parametrize("broken", [False, True])
def test_the_command(broken: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(platforms, "providers", lambda config: [There(ahead=900.0 if broken else 0.0)])
    assert application.run(["doctor"]) == (1 if broken else 0)
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("ok       parrot: it is there") for line in lines)
    assert any(line.startswith("         -> ") for line in lines)
    assert application.run(["doctor", "--json", "--stop-grace", "30"]) == (1 if broken else 0)
    document = json.loads(capsys.readouterr().out)
    assert document["verdict"] == ("error" if broken else "warning")
    assert {"subject", "level", "detail", "advice"} == document["findings"][0].keys()
