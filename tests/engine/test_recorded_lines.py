"""The coverage that `.ci/run` prints includes processes that tests start, however they end."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

CI = Path(__file__).parents[2] / ".ci"
CODE = '''"""A docstring."""

from __future__ import annotations

import sys


class Counter:
    """Counts."""

    step = 1

    @staticmethod
    def next(number: int) -> int:
        """The next number."""
        return (
            number
            + Counter.step
        )


def tried(text: str) -> int:
    try:
        found = int(text)
    except ValueError:
        return Counter.next(0)
    else:
        return found
    finally:
        sys.stdout.write("done\\n")


def matched(value: object) -> str:
    match value:
        case int():
            return "number"
        case str() if value:
            return "text"
    return "nothing"


async def never() -> None:
    await never()


if __name__ == "__main__":
    assert (lambda: tried("no"))() == 1
    assert matched("x") == "text"
    sys.stdout.flush()
    exec(sys.argv[1])
'''
MISSED = {28, 36, 39, 43}
"""`return found`, `return "number"`, `return "nothing"` and `await never()`."""


@pytest.mark.parametrize("end", ["raise SystemExit(3)", "import os; os._exit(3)", "import os; os.kill(os.getpid(), 9)"])
def test_lines_of_a_started_process_count_however_it_ends(tmp_path: Path, end: str) -> None:
    coverage = _loaded("coverage")
    root, site, folder = tmp_path / "product", tmp_path / "site", tmp_path / "lines"
    (root / "counting").mkdir(parents=True)
    site.mkdir()
    (root / "counting" / "__init__.py").write_text("")
    (root / "counting" / "__main__.py").write_text(CODE)
    coverage.prepare(folder, [root], site)
    program = f"import site, runpy; site.addsitedir({str(site)!r}); runpy.run_module('counting', run_name='__main__')"

    done = subprocess.run(
        [sys.executable, "-c", program, end],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{root}"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.stdout, done.stderr) == ("done\n", "")
    assert done.returncode == (-signal.SIGKILL if "kill" in end else 3)
    lines = coverage.reached_lines(folder)[str((root / "counting" / "__main__.py").resolve())]
    assert {13, 14, 16, 17, 18, 19, 24, 25, 26, 30, 34, 37, 38, 42, 50} <= lines
    assert sorted(MISSED & lines) == []


def test_a_process_runs_as_always_once_the_recorder_is_removed(tmp_path: Path) -> None:
    coverage = _loaded("coverage")
    (tmp_path / "product").mkdir()
    coverage.prepare(tmp_path / "lines", [tmp_path / "product"], tmp_path)
    assert sorted(path.name for path in tmp_path.glob("followed_lines.*")) == [
        "followed_lines.pth",
        "followed_lines.py",
    ]
    coverage.uninstall(tmp_path)
    assert not list(tmp_path.glob("followed_lines.*"))


def _loaded(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"ci_{name}", CI / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
