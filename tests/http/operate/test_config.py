"""The environment: every setting has a variable, and every mistake gets its own line."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rookery import EngineSettings
from rookery_http import platforms
from rookery_http.config import table as variables
from rookery_http.config.advice import with_variables
from rookery_http.config.load import ConfigurationError, load, unknown_variables, weaknesses


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name in variables.BY_NAME or name.startswith("ROOKERY_"):
            monkeypatch.delenv(name)


def test_defaults() -> None:
    loaded = load()
    assert (loaded.api.host, loaded.api.port, loaded.api.key) == ("127.0.0.1", 8080, None)
    assert loaded.engine.shutdown_grace + loaded.api.drain == 8.0
    assert loaded.storage.store == f"sqlite:///{Path.cwd() / 'rookery-data' / 'rookery.db'}"
    assert msgspec.structs.replace(loaded.engine, shutdown_grace=8.0) == EngineSettings()


def test_every_engine_setting_has_a_variable_and_a_meaning(monkeypatch: pytest.MonkeyPatch) -> None:
    for field in msgspec.structs.fields(EngineSettings):
        name = variables.ENGINE_VARIABLES[field.name]
        row = variables.BY_NAME[name]
        assert row.meaning.endswith("."), f"say in EngineSettings what {field.name} is, in a sentence"
        assert row.right
        if field.name in ("lease_renew_interval", "lease_margin"):
            continue  # not longer than the lease
        if field.name in ("media_types", "media_fetch", "ca_bundle"):
            continue  # text, below
        value = {bool: "false", int: "77", float: "77.5", type(None): "77"}[type(field.default)]
        if variables.BY_NAME[name].unit == "share":
            value = "0.5"
        monkeypatch.setenv(name, value)
        got = getattr(load().engine, field.name)
        expected = msgspec.json.decode(value)
        assert got == (expected - 2.0 if field.name == "shutdown_grace" else expected), name


def test_where_files_are_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ROOKERY_DATA_DIR", str(tmp_path))
    assert load().storage.open_media().location == str(tmp_path / "media")
    for name, value in {
        "ROOKERY_MEDIA": "s3://bucket/prefix",
        "ROOKERY_S3_ENDPOINT": "http://minio:9000",
        "ROOKERY_S3_ACCESS_KEY": "an-id",
        "ROOKERY_S3_SECRET_KEY": "a-secret",
        "ROOKERY_MEDIA_FETCH": "image, voice",
        "ROOKERY_MEDIA_TYPES": "image/*",
    }.items():
        monkeypatch.setenv(name, value)
    loaded = load()
    assert loaded.storage.open_media().location == "s3://bucket/prefix at minio:9000"
    assert (loaded.engine.media_fetch, loaded.engine.media_types) == ("image, voice", "image/*")
    assert "a-secret" not in repr(loaded) + repr(loaded.storage)
    for types in ("*", "image/*,*", "image/*, application/pdf,", "image/*,\ttext/plain"):
        monkeypatch.setenv("ROOKERY_MEDIA_TYPES", types)
        assert load().engine.media_types == types
    monkeypatch.setenv("ROOKERY_MEDIA_FETCH", "image,gif")
    monkeypatch.delenv("ROOKERY_S3_SECRET_KEY")
    with pytest.raises(ConfigurationError) as caught:
        load()
    assert [line.partition(":")[0] for line in caught.value.lines] == ["ROOKERY_S3_SECRET_KEY", "ROOKERY_MEDIA_FETCH"]
    monkeypatch.setenv("ROOKERY_MEDIA", "ftp://x")
    with pytest.raises(ConfigurationError, match="ROOKERY_MEDIA"):
        load()


def test_fixed_names(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "ROOKERY_HOST": "0.0.0.0",
        "ROOKERY_PORT": "0",
        "ROOKERY_API_KEY": "open-sesame-0123456789",
        "ROOKERY_SECRET_KEY": "new-0123456789abcdef,old",
        "ROOKERY_DATA_DIR": "/data",
        "DATABASE_URL": "postgresql://rookery@db/rookery",
        "ROOKERY_SHUTDOWN_GRACE": "20",
        "ROOKERY_TELEGRAM_API_URL": "http://127.0.0.1:8081",
        "ROOKERY_TELEGRAM_POLL_TIMEOUT": "5",
        "ROOKERY_WHATSAPP_SESSIONS_PER_WORKER": "3",
        "ROOKERY_WHATSAPP_QR_ROUNDS": "2",
        "ROOKERY_WHATSAPP_WORKER": "some.module other",
        "MAX_CONCURRENT_SESSIONS": "9",
        "AUTO_CLEANUP_ON_LOGOUT": "false",
        "LOG_LEVEL": "debug",
    }.items():
        monkeypatch.setenv(name, value)
    loaded = load()
    assert (loaded.api.host, loaded.api.port, loaded.api.key) == ("0.0.0.0", 0, "open-sesame-0123456789")
    assert (loaded.storage.secret_key, loaded.storage.store) == (
        "new-0123456789abcdef,old",
        "postgresql://rookery@db/rookery",
    )
    assert loaded.engine.max_concurrent_sessions == 9
    assert loaded.engine.auto_cleanup_on_logout is False
    assert (loaded.platforms.telegram_api_url, loaded.platforms.telegram_poll_timeout) == ("http://127.0.0.1:8081", 5)
    assert (loaded.platforms.whatsapp_sessions_per_worker, loaded.logs.level) == (3, "DEBUG")
    assert (loaded.platforms.whatsapp_qr_rounds, loaded.platforms.whatsapp_worker) == (2, "some.module other")
    assert loaded.engine.shutdown_grace + loaded.api.drain == 20
    assert "sesame" not in repr(loaded)


@pytest.mark.parametrize(
    ("name", "value", "right"),
    [
        ("ROOKERY_PORT", "abc", "a whole number from 0 to 65535"),
        ("ROOKERY_PORT", "65536", "a whole number from 0 to 65535"),
        ("ROOKERY_PORT", "80.5", "a whole number from 0 to 65535"),
        ("ROOKERY_HOST", "a b", "an IP address"),
        ("ROOKERY_API_KEY", "two words", "printable ASCII"),
        ("DATABASE_URL", "mysql://x", "postgresql://"),
        ("ROOKERY_BODY_MEMORY", "2000", "no less than ROOKERY_MAX_BODY"),
        ("ROOKERY_SHUTDOWN_GRACE", "-1", "a number of seconds"),
        ("ROOKERY_SHUTDOWN_GRACE", "nan", "a number of seconds"),
        ("ROOKERY_SHUTDOWN_GRACE", "inf", "a number of seconds"),
        ("MAX_CONCURRENT_SESSIONS", "0", "a whole number, 1 or more"),
        ("MAX_CONCURRENT_SESSIONS", "many", "a whole number, 1 or more"),
        ("AUTO_CLEANUP_ON_LOGOUT", "perhaps", "true or false"),
        ("LOG_LEVEL", "loud", "DEBUG, INFO"),
        ("LOG_FORMAT", "xml", "auto, console or json"),
        ("ROOKERY_TELEGRAM_API_URL", "api.telegram.org", "an http:// or https:// address"),
        ("ROOKERY_TELEGRAM_API_URL", "http://[::1", "an http:// or https:// address"),
        ("ROOKERY_PORT", "12345678901", "from 0 to 65535"),
        ("ROOKERY_TELEGRAM_POLL_TIMEOUT", "51", "from 0 to 50"),
        ("ROOKERY_BACKOFF_FACTOR", "0.5", "a number, 1 or more"),
        ("ROOKERY_MAX_BODY", "1", "bytes"),
        ("ROOKERY_MEMORY_CRITICAL", "95", "a number above 0, 1 at most"),
        ("ROOKERY_MEMORY_WARNING", "0", "a number above 0, 1 at most"),
        ("ROOKERY_MEMORY_WARNING", "0.99", "no more than ROOKERY_MEMORY_CRITICAL (0.95)"),
        ("ROOKERY_MEMORY_TREND_WINDOW", "5", "a whole number, 6 or more"),
        ("ROOKERY_DATA_DIR", "~nobody-has-this-name/data", "after ~ a user"),
        ("ROOKERY_CORS_ORIGINS", "http://[::1", "origins such as"),
        ("ROOKERY_CORS_ORIGINS", "https://a.example,http://b.example:99999", "origins such as"),
        ("ROOKERY_S3_ENDPOINT", "http://[::1", "an http:// or https:// address"),
        ("ROOKERY_S3_ENDPOINT", "http://minio:99999", "an http:// or https:// address"),
        ("ROOKERY_MEDIA_TYPES", "images", "content types such as image/*"),
        ("ROOKERY_MEDIA_TYPES", "image/*;application/pdf", "content types such as image/*"),
        ("ROOKERY_SECRET_KEY", "key of 0123456789 \udc80", "one or several keys"),
        ("ROOKERY_WHATSAPP_WORKER", "/bin/sh", "the name of a Python module"),
        ("ROOKERY_WHATSAPP_WORKER", "-c 1", "the name of a Python module"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_is_right(
    monkeypatch: pytest.MonkeyPatch, name: Any, value: Any, right: Any
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as caught:
        load()
    (line,) = caught.value.lines
    assert line.startswith(f"{name}: ")
    assert right in line
    assert "\n" not in line
    assert (value in line) is not variables.BY_NAME[name].secret or name == "LOG_LEVEL"


def test_several_mistakes_are_reported_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROOKERY_PORT", "x")
    monkeypatch.setenv("LOG_FORMAT", "x")
    with pytest.raises(ConfigurationError) as caught:
        load()
    assert len(caught.value.lines) == 2


def test_contradictions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROOKERY_HOST", "0.0.0.0")
    monkeypatch.setenv("DATABASE_URL", "postgresql://db/x")
    monkeypatch.setenv("ROOKERY_LEASE_TTL", "5")
    with pytest.raises(ConfigurationError) as caught:
        load()
    assert [line.partition(":")[0] for line in caught.value.lines] == [
        "ROOKERY_API_KEY",
        "ROOKERY_SECRET_KEY",
        "ROOKERY_LEASE_TTL",
    ]


def test_overrides_win_and_empty_variables_count_as_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROOKERY_PORT", "1")
    monkeypatch.setenv("ROOKERY_HOST", "")
    loaded = load(ROOKERY_PORT=2, ROOKERY_HOST=None)
    assert (loaded.api.port, loaded.api.host) == (2, "127.0.0.1")


def test_no_limit_can_be_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAX_CONCURRENT_SESSIONS", "none")
    assert load().engine.max_concurrent_sessions is None


def test_misspelt_variables_are_noticed() -> None:
    lines = unknown_variables({"ROOKERY_PROT": "1", "ROOKERY_URL": "http://x", "PATH": "x", "ROOKERY_PORT": "1"})
    assert lines == ["ROOKERY_PROT is not a setting; ROOKERY_PORT is"]
    assert unknown_variables({"ROOKERY_SIMULATOR_NOISE_KEY": "00"}) == []


def test_only_the_variable_replaces_the_whatsapp_worker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ROOKERY_DATA_DIR", str(tmp_path))
    started = []
    monkeypatch.setattr(platforms, "WhatsApp", lambda **given: started.append(given["worker_command"]))
    platforms.providers(load())
    monkeypatch.setenv("ROOKERY_WHATSAPP_WORKER", "some.module other.module")
    platforms.providers(load())
    assert started == [None, [sys.executable, "-m", "some.module", "other.module"]]


def test_files_to_send_are_fetched_from_where_webhooks_may_lead(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ROOKERY_DATA_DIR", str(tmp_path))
    allowed = []
    monkeypatch.setattr(platforms, "WhatsApp", lambda **given: allowed.append(given["workers"].allow_private_urls))
    platforms.providers(load())
    monkeypatch.setenv("ROOKERY_API_KEY", "open-sesame-0123456789")
    platforms.providers(load(ROOKERY_HOST="0.0.0.0"))
    assert allowed == [True, False]


def test_the_page_of_settings_is_the_one_of_the_code() -> None:
    table = variables.markdown()
    for row in variables.TABLE:
        assert f"| `{row.name}` |" in table
    page = Path(__file__).parents[3] / "docs/settings.md"
    assert page.read_text() == table, "regenerate with: rookery settings > docs/settings.md"


@pytest.mark.parametrize(
    ("host", "given", "allowed"),
    [
        ("127.0.0.1", None, True),
        ("0.0.0.0", None, False),
        ("0.0.0.0", "true", True),
        ("127.0.0.1", "false", False),
        ("0.0.0.0", "", False),
    ],
)
def test_private_webhook_addresses_are_allowed_only_on_a_local_server(
    monkeypatch: pytest.MonkeyPatch, host: Any, given: Any, allowed: Any
) -> None:
    monkeypatch.setenv("ROOKERY_HOST", host)
    monkeypatch.setenv("ROOKERY_API_KEY", "open-sesame-0123456789")
    if given is not None:
        monkeypatch.setenv("ROOKERY_WEBHOOK_ALLOW_PRIVATE", given)
    assert load().engine.webhook_allow_private is allowed


def test_messages_of_the_engine_name_variables_to_operators() -> None:
    told = "memory is short: raise `memory_limit`, or `max_concurrent_sessions`; `something` else stays"
    assert (
        with_variables(told)
        == "memory is short: raise ROOKERY_MEMORY_LIMIT, or MAX_CONCURRENT_SESSIONS; `something` else stays"
    )
    assert with_variables(None) is None


@pytest.mark.parametrize(
    ("address", "right"),
    [
        ("postgresql://u:hush@[::1/x", "its host is malformed"),
        ("postgresql://u:hush@db:999999/x", "a port is a number from 1 to 65535"),
        ("postgresql://u:hush@db:abc/x", "a port is a number from 1 to 65535"),
        ("postgresql://u:hush%FF@db/x", "not UTF-8"),
        ("postgresql://u:hush hush@db/x", "a space"),
    ],
)
def test_an_address_of_the_database_that_is_none(monkeypatch: pytest.MonkeyPatch, address: Any, right: Any) -> None:
    monkeypatch.setenv("DATABASE_URL", address)
    monkeypatch.setenv("ROOKERY_SECRET_KEY", "k" * 32)
    with pytest.raises(ConfigurationError) as caught:
        load()
    (line,) = caught.value.lines
    assert line.startswith("DATABASE_URL: ")
    assert right in line
    assert "hush" not in line


@pytest.mark.parametrize("address", ["http://u:hush@[::1/x", "http://u:hush@h:999999", "hush"])
def test_an_address_of_a_proxy_that_is_none(monkeypatch: pytest.MonkeyPatch, address: Any) -> None:
    monkeypatch.setenv("ROOKERY_TELEGRAM_PROXY", address)
    with pytest.raises(ConfigurationError) as caught:
        load()
    (line,) = caught.value.lines
    assert line.startswith("ROOKERY_TELEGRAM_PROXY: an address such as http://user:password@host:port is needed")
    assert "hush" not in line
    monkeypatch.setenv("ROOKERY_TELEGRAM_PROXY", "socks5://u:hush@[::1]:10800")
    assert "hush" in load().secrets


@pytest.mark.parametrize(
    ("name", "weak"),
    [
        ("ROOKERY_API_KEY", "x"),
        ("ROOKERY_API_KEY", "a" * 40),
        ("ROOKERY_SECRET_KEY", "abc"),
        ("ROOKERY_SECRET_KEY", "abc," + "k1" * 20),
    ],
)
def test_weak_keys_are_refused_where_others_can_reach_the_server(
    monkeypatch: pytest.MonkeyPatch, name: Any, weak: Any
) -> None:
    strong = {"ROOKERY_API_KEY": "open-sesame-0123456789", "ROOKERY_SECRET_KEY": "0123456789abcdef,abc"}
    for variable, value in strong.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setenv("ROOKERY_HOST", "0.0.0.0")
    load()
    monkeypatch.setenv(name, weak)
    with pytest.raises(ConfigurationError) as caught:
        load()
    (line,) = caught.value.lines
    assert line.startswith(f"{name}: it can be guessed")
    assert "rookery keys generate-secret" in line
    assert weak not in line or len(weak) == 1
    monkeypatch.setenv("ROOKERY_HOST", "127.0.0.1")
    loaded = load()
    assert len(weaknesses(loaded.api.key, loaded.storage.secret_key)) == 1, "and a warning in the log"


@pytest.mark.parametrize(
    "value", ["http://user:hush@host", "https://api.telegram.org/?token=hush", "hush@host", "ftp://me:hush@x:99999"]
)
def test_a_wrong_address_is_not_shown_where_it_may_hold_a_password(monkeypatch: pytest.MonkeyPatch, value: Any) -> None:
    monkeypatch.setenv("ROOKERY_TELEGRAM_API_URL", value)
    with pytest.raises(ConfigurationError) as caught:
        load()
    (line,) = caught.value.lines
    assert line.startswith("ROOKERY_TELEGRAM_API_URL: its value cannot be used; ")
    assert "hush" not in line


def test_a_bundle_of_certificates_that_is_none_is_a_mistake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for text, right in ((None, "No such file"), ("nonsense", "no certificate in PEM form")):
        bundle = tmp_path / "ca.pem"
        if text is not None:
            bundle.write_text(text)
        monkeypatch.setenv("ROOKERY_CA_BUNDLE", str(bundle))
        with pytest.raises(ConfigurationError, match=f"^ROOKERY_CA_BUNDLE: .*{right}"):
            load()
