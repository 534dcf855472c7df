"""The checks of the project, one session each. They run in the environment that nox was started from:

pip install -c .ci/constraints.txt -e '.[dev]' && nox -s lint types unit
"""

from __future__ import annotations

import nox

nox.options.default_venv_backend = "none"
nox.options.sessions = ["lint", "types", "unit"]
nox.needs_version = ">=2025.2.9"

UNIT = ["tests/engine", "-m", "not slow"]
INTEGRATION = ["tests/store", "tests/cluster", "tests/providers", "tests/http"]


@nox.session
def lint(session: nox.Session) -> None:
    """Style and likely mistakes."""
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """mypy, strict, over everything that is Python here."""
    session.run("mypy")


@nox.session
def unit(session: nox.Session) -> None:
    """The engine with fakes and a virtual clock: under a minute on two cores."""
    session.run("pytest", "-q", "-n", "2", *UNIT, *session.posargs)


@nox.session
def integration(session: nox.Session) -> None:
    """Real databases, servers, browsers and worker processes, on loopback."""
    session.run("pytest", "-q", "-n", "2", *INTEGRATION, *session.posargs)


@nox.session
def e2e(session: nox.Session) -> None:
    """Whole processes: killed, stopped, handed over, cut off from their database."""
    session.run("pytest", "-q", "-n", "2", "tests/e2e", *session.posargs)


@nox.session(name="bench-smoke")
def bench_smoke(session: nox.Session) -> None:
    """Instructions of small fixed runs of hot paths, within 10 % of the stored counts (valgrind); and the throughput
    benchmark for a few seconds, Rookery alone: does it still run and print its figures?"""
    session.run("python", "bench/smoke/counts.py")
    small = ["--updates", "2000", "--sends", "300", "--repeat", "1", "--clients", "rookery"]
    session.run("python", "bench/throughput.py", *small, *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """The site, without a warning, into `site/`."""
    session.run("python", "-m", "mkdocs", "build", "--strict", "--quiet")


@nox.session
def tests(session: nox.Session) -> None:
    """Every test."""
    session.run("python", "-m", "pytest", "-q", "-n", "2", *session.posargs)


@nox.session
def coverage(session: nox.Session) -> None:
    """Every test; then the share of lines that all processes reached, against the floor in `.ci/coverage.py`."""
    folder = session.create_tmp()
    measured = ["-m", "slipcover", "--source", "engine,http,providers", "--json", "--out", f"{folder}/own.json", "-m"]
    already = "ignore:Module already imported:pytest.PytestAssertRewriteWarning"  # slipcover has imported the plugins
    session.run("python", ".ci/coverage.py", "prepare", folder)
    try:
        session.run("python", *measured, "pytest", "-q", "-n", "2", "-W", already, *session.posargs)
    finally:
        session.run("python", ".ci/coverage.py", "remove")
    session.run("python", ".ci/coverage.py", "report", folder)
