"""An error about a missing library names the extra that contains it, and never a package that no index has."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import pytest

from rookery import EngineSettings
from rookery.delivery.transports.opening import open_transport
from rookery.errors import InvalidInput

ROOT = Path(__file__).parents[2]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
FROM_AN_INDEX = re.compile(r"rookery\[|pip install (-\S+ )*['\"]?rookery")
EXTRA = re.compile(r"\bextra `([^`]*)`")


def test_hints_name_extras_that_exist_and_nothing_on_an_index() -> None:
    found = set()
    places = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    for folder in ("engine", "providers", "http", "examples"):
        places += [path for path in (ROOT / folder).rglob("*") if path.suffix in {".py", ".js", ".html", ".md"}]
    for path in places:
        text = path.read_text(encoding="utf-8")
        assert not FROM_AN_INDEX.search(text), path
        found |= {name for name in EXTRA.findall(text) if not name.startswith("{")}
    assert {"http", "postgres", "whatsapp", "s3"} <= found <= set(EXTRAS)


@pytest.mark.parametrize(("kind", "library"), [("nats", "nats"), ("amqp", "aio_pika"), ("redis", "coredis")])
def test_a_sink_without_its_library_names_the_extra(monkeypatch: pytest.MonkeyPatch, kind: str, library: str) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.delitem(sys.modules, f"rookery.delivery.brokers.{kind}", raising=False)
    with pytest.raises(InvalidInput) as caught:
        open_transport(kind, EngineSettings(), "i")
    assert caught.value.field == "url"
    assert str(caught.value).endswith(f"{library}: install Rookery with its extra `{kind}`")
    assert kind in EXTRAS
