"""Machines without libmagic, without neonize, and those that neonize has no build for."""

import ctypes
import os
import platform
import subprocess
import sys
import tomllib
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from rookery_whatsapp.worker.loading import libmagic, library

PYPROJECT = Path(__file__).parents[3] / "pyproject.toml"


@pytest.mark.parametrize(
    ("system", "machine", "neonize", "pylibmagic"),
    [
        ("linux", "x86_64", True, True),
        ("linux", "aarch64", True, True),
        ("linux", "i686", True, False),
        ("linux", "s390x", True, False),
        ("linux", "armv7l", False, False),
        ("linux", "riscv64", False, False),
        ("linux", "ppc64le", False, False),
        ("darwin", "arm64", True, True),
        ("darwin", "x86_64", True, True),
        ("freebsd14", "amd64", False, False),
        ("win32", "AMD64", False, False),
    ],
)
def test_what_the_extra_installs_where(
    monkeypatch: pytest.MonkeyPatch, system: str, machine: str, neonize: bool, pylibmagic: bool
) -> None:
    extra = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]["optional-dependencies"]["whatsapp"]
    requirements = {(each := Requirement(line)).name: each for line in extra}
    environment = {"sys_platform": system, "platform_machine": machine}
    for name, expected in [("neonize", neonize), ("pylibmagic", pylibmagic)]:
        marker = requirements[name].marker
        assert marker is not None
        assert marker.evaluate(environment) is expected, name
    # The message agrees with what is installed.
    monkeypatch.setattr(platform, "system", lambda: system.capitalize())
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(platform, "libc_ver", lambda: ("glibc", "2.36"))
    assert library._has_build() is neonize


def unusable(monkeypatch: pytest.MonkeyPatch, machine: str, libc: str) -> str:
    def missing(name: str) -> str:
        raise library.PackageNotFoundError(name)  # type: ignore[attr-defined]

    monkeypatch.setattr(library, "version", missing)
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(platform, "libc_ver", lambda: (libc, ""))
    with pytest.raises(library.Unusable) as caught:
        library.load()
    return str(caught.value)


def test_a_missing_library_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (
        unusable(monkeypatch, "x86_64", "glibc")
        == "neonize is not installed: install Rookery with its extra `whatsapp`"
    )


@pytest.mark.parametrize(
    ("machine", "libc", "where"),
    [("armv7l", "glibc", "Linux (glibc) armv7l"), ("x86_64", "", "Linux (another libc) x86_64")],
)
def test_a_platform_without_a_build_is_shown_the_supported_ones(
    monkeypatch: pytest.MonkeyPatch, machine: str, libc: str, where: str
) -> None:
    text = unusable(monkeypatch, machine, libc)
    assert text.startswith(f"neonize has no build for {where}, Python 3.")
    assert library.PLATFORMS in text


def test_libmagic_comes_from_the_wheel_where_the_system_has_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[str] = []

    def load(name: str) -> None:
        asked.append(name)
        if name == libmagic.NAME:
            raise OSError(name)

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", load)
    monkeypatch.setattr(
        libmagic, "find_spec", lambda name: ModuleSpec(name, None, origin=str(tmp_path / "__init__.py"))
    )
    environment: dict[str, str] = {}
    monkeypatch.setattr(os, "environ", environment)
    libmagic.provide_libmagic()
    assert asked == [libmagic.NAME, str(tmp_path / libmagic.NAME)]
    assert environment == {"MAGIC": str(tmp_path / "magic.mgc")}


def test_a_systems_own_libmagic_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", asked.append)
    environment: dict[str, str] = {}
    monkeypatch.setattr(os, "environ", environment)
    libmagic.provide_libmagic()
    assert asked == [libmagic.NAME]
    assert not environment


def test_neither_may_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", load)
    monkeypatch.setattr(libmagic, "find_spec", lambda name: None)
    monkeypatch.delenv("MAGIC", raising=False)
    libmagic.provide_libmagic()
    assert "MAGIC" not in os.environ


def test_neonize_can_be_imported_after_the_package() -> None:
    program = "import rookery_whatsapp, neonize, magic; print(neonize.NewClient.__name__)"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.strip().endswith("NewClient")
