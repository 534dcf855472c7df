"""Which module may import which, and the cost of a bare import. The walls are those of the source roots."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.checks.floors import Floors, circles, crowded_folders, import_graph, long_modules, upward_imports

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "rookery": ROOT / "engine/rookery",
    "rookery_telegram": ROOT / "providers/rookery_telegram",
    "rookery_whatsapp": ROOT / "providers/rookery_whatsapp",
    "rookery_simulator": ROOT / "providers/rookery_simulator",
    "rookery_http": ROOT / "http/rookery_http",
    "rookery_client": ROOT / "http/rookery_client",
}
MAY_IMPORT = {
    "rookery": set[str](),
    "rookery_telegram": {"rookery"},
    "rookery_whatsapp": {"rookery"},
    "rookery_simulator": {"rookery"},
    "rookery_http": set(PACKAGES) - {"rookery_http"},
    "rookery_client": set(),
}
ROOTS = [ROOT / "engine", ROOT / "providers", ROOT / "http"]
FLOORS: dict[str, Floors] = {
    package: [frozenset(floor.split()) for floor in floors]
    for package, floors in {
        "rookery": [
            "declaring model running",
            "errors log",
            "settings",
            "runtime",
            "provider",
            "store",
            "media",
            "services",
            "outbound",
            "session",
            "supervisor",
            "cluster delivery",
            "background",
            "assembly",
            "features",
            "engine",
        ],
        "rookery_telegram": [
            "bot_api",
            "receiving",
            "bodies sending settings",
            "event_types link",
            "provider",
        ],
        "rookery_client": [
            "errors events",
            "typed_events",
            "wire",
            "calls webhooks",
            "client",
            "async_client",
        ],
        "rookery_simulator": ["bot_api", "whatsapp", "__main__"],
        "rookery_whatsapp": [
            "protocol event_types",
            "addresses memory options settings worker",
            "worker_pool",
            "device",
            "directory",
            "link",
            "kinds_table provider",
        ],
        "rookery_http": [
            "call_table exits left_out",
            "config routing",
            "operate",
            "output",
            "input responses",
            "access",
            "server",
            "api",
            "description dashboard platforms",
            "app",
            "serve",
            "compose",
            "demo start",
            "cli",
            "__main__",
        ],
    }.items()
}
"""The rooms of each house from the ground up; a room imports only from floors below its own."""
GENERATED = {"http/rookery_client/typed_events.py"}
HEAVY = (
    "quart",
    "quart_trio",
    "hypercorn",
    "asyncpg",
    "botocore",
    "neonize",
    "pydantic",
    "typer",
    "wsproto",
    "trustme",
)
ONLY_IN = {
    "asyncpg": "engine/rookery/store",
    "sqlite3": "engine/rookery/store",
    "httpx": ("engine/rookery/delivery", "engine/rookery/media/s3.py"),
    "botocore": "engine/rookery/media/s3.py",
}
"""Third-party and database modules that belong to one part of the engine."""


def modules(package: str) -> list[Path]:
    return sorted(PACKAGES[package].rglob("*.py"))


def imported(file: Path) -> Iterator[str]:
    """Absolute names of the modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_run_one_way(package: str) -> None:
    wrong = [
        f"{file.relative_to(ROOT)} imports {name}"
        for file in modules(package)
        for name in imported(file)
        if (top := name.partition(".")[0]) in PACKAGES and top != package and top not in MAY_IMPORT[package]
    ]
    assert not wrong


@pytest.mark.parametrize("package", FLOORS)
def test_imports_run_down(package: str) -> None:
    assert not upward_imports(import_graph(ROOTS), package, FLOORS[package])


def test_no_modules_import_each_other() -> None:
    assert circles(import_graph(ROOTS)) == []


@pytest.mark.parametrize(
    "planted",
    [
        "from ..features.sessions import SessionFeatures\n",
        "def open_it() -> None:\n    from rookery.features import sessions\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import rookery.features.sessions\n",
    ],
)
def test_a_planted_upward_import_is_found(planted: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "engine", tmp_path / "engine")
    assert upward_imports(import_graph([tmp_path / "engine"]), "rookery", FLOORS["rookery"]) == []
    with (tmp_path / "engine/rookery/store/secrets.py").open("a") as file:
        file.write(planted)
    graph = import_graph([tmp_path / "engine"])
    (sentence,) = upward_imports(graph, "rookery", FLOORS["rookery"])
    assert "rookery.store.secrets imports rookery.features.sessions" in sentence
    assert "`features` is not below `store`" in sentence


def test_every_package_has_floors() -> None:
    assert FLOORS.keys() == PACKAGES.keys()


def test_a_planted_upward_import_is_found_in_a_provider(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "providers/rookery_telegram", tmp_path / "rookery_telegram")
    with (tmp_path / "rookery_telegram/bot_api/errors.py").open("a") as file:
        file.write("from ..link import TelegramLink\n")
    (sentence,) = upward_imports(import_graph([tmp_path]), "rookery_telegram", FLOORS["rookery_telegram"])
    assert "rookery_telegram.bot_api.errors imports rookery_telegram.link" in sentence


def test_a_planted_circle_is_found(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "engine", tmp_path / "engine")
    assert circles(import_graph([tmp_path / "engine"])) == []
    with (tmp_path / "engine/rookery/store/secrets.py").open("a") as file:
        file.write("def check() -> None:\n    from .secret_check import check_canary\n")
    assert circles(import_graph([tmp_path / "engine"])) == [["rookery.store.secret_check", "rookery.store.secrets"]]


def test_a_room_without_a_floor_is_found(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "engine", tmp_path / "engine")
    (tmp_path / "engine/rookery/drawer.py").write_text("from .engine import Engine\n")
    (sentence,) = upward_imports(import_graph([tmp_path / "engine"]), "rookery", FLOORS["rookery"])
    assert sentence.startswith("rookery.drawer has no floor: add it to FLOORS")


@pytest.mark.parametrize("root", ["engine", "providers", "http", "tests", "bench"])
def test_no_folder_is_crowded(root: str) -> None:
    assert not crowded_folders(ROOT / root)


def test_a_crowded_folder_is_found(tmp_path: Path) -> None:
    for number in range(16):
        (tmp_path / f"module_{number}.py").touch()
    (sentence,) = crowded_folders(tmp_path)
    assert "holds 16 modules, and 15 are the limit: group those that belong together" in sentence
    (tmp_path / "module_0.py").rename(tmp_path / "__init__.py")
    assert crowded_folders(tmp_path) == []


def test_no_module_is_long() -> None:
    found = {f"{root.name}/{path}": sentence for root in ROOTS for path, sentence in long_modules(root).items()}
    assert not [sentence for path, sentence in found.items() if path not in GENERATED]


def test_a_long_module_is_found(tmp_path: Path) -> None:
    (tmp_path / "short.py").write_text("x = 1\n" * 300)
    (tmp_path / "long.py").write_text("x = 1\n" * 301)
    ((path, sentence),) = long_modules(tmp_path).items()
    assert path == "long.py"
    assert sentence.startswith("long.py has 301 lines, and 300 are the limit: move what can be named")


def test_the_engine_names_no_provider() -> None:
    wrong = []
    for file in modules("rookery"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [getattr(node, field, None) for field in ("id", "attr", "name", "module", "arg")]
            for name in names:
                if isinstance(name, str) and any(word in name.lower() for word in ("telegram", "whatsapp", "neonize")):
                    wrong.append(f"{file.relative_to(ROOT)}:{getattr(node, 'lineno', 0)} names {name}")
            is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
            if is_text and node.value.lower() in ("telegram", "whatsapp"):  # type: ignore[attr-defined]
                wrong.append(f"{file.relative_to(ROOT)}:{node.lineno} is about one platform")  # type: ignore[attr-defined]
    assert not wrong


def test_the_engine_and_the_providers_name_no_variable_of_the_server() -> None:
    """A message names the field of `EngineSettings` in backquotes; the server turns it into its variable."""
    variable = re.compile(r"ROOKERY_[A-Z]|DATABASE_URL|MAX_CONCURRENT_SESSIONS|AUTO_CLEANUP_ON_LOGOUT")
    files = [file for package in ("rookery", "rookery_telegram", "rookery_whatsapp") for file in modules(package)]
    assert [str(file.relative_to(ROOT)) for file in files if variable.search(file.read_text())] == []


@pytest.mark.parametrize("name", ONLY_IN)
def test_each_library_has_its_place_in_the_engine(name: str) -> None:
    users = {str(file.relative_to(ROOT)) for file in modules("rookery") for one in imported(file) if one == name}
    assert all(user.startswith(ONLY_IN[name]) for user in users), users  # type: ignore[arg-type]


def test_embedding_pulls_in_neither_a_web_server_nor_a_driver() -> None:
    code = (
        "import sys, rookery, rookery.store.open, rookery_telegram\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_embedding_changes_nothing_of_the_program_around_it() -> None:
    code = """
import asyncio, logging, signal, sys, warnings

def state():
    root = logging.getLogger()
    signals = [signal.getsignal(each) for each in sorted(signal.valid_signals())]
    return root.level, list(root.handlers), root.disabled, signals, list(warnings.filters), sys.excepthook, sys.unraisablehook

import structlog, trio, httpx  # what other people's packages do at their import is not ours
before = state()
import rookery, rookery.store.open, rookery_telegram

async def main():
    async with rookery.open_engine(store="memory:", providers=[rookery_telegram.Telegram()]):
        assert state()[:4] == during[:4]

async def around():
    global during
    during = state()  # with the handler of trio itself
    await main()

trio.run(around)
assert state() == before
assert not structlog.is_configured()
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout + done.stderr == ""


def test_the_standard_librarys_http_is_intact() -> None:
    """From the repository's root a package `http` would hide it, and pip, httpx and pytest would break."""
    code = "import http, http.client, http.server; print(http.__file__)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    found = Path(done.stdout.strip())
    assert ROOT not in found.parents
    assert found.is_relative_to(sys.base_prefix)


def test_the_http_root_is_no_package() -> None:
    assert not (ROOT / "http/__init__.py").exists()
    assert not list((ROOT / "http").rglob("conftest.py"))
    assert not list((ROOT / "http").rglob("test_*.py"))


@pytest.mark.parametrize("package", PACKAGES)
def test_no_drawer_for_everything(package: str) -> None:
    assert not [file for file in modules(package) if file.stem in ("utils", "util", "helpers", "common", "misc")]


@pytest.mark.parametrize("dialect", ["sqlite", "postgres"])
def test_each_migration_has_its_own_number(dialect: str) -> None:
    """Two with one number are run or skipped together."""
    folder = ROOT / "engine/rookery/store/migrations" / dialect
    numbers = sorted(int(file.name.partition("_")[0]) for file in folder.glob("*.sql"))
    assert numbers == list(range(1, len(numbers) + 1))
