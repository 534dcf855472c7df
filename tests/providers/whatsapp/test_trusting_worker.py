"""The worker that trusts the simulator: what it runs, and in which order."""

import os
import subprocess
import sys
from pathlib import Path


def test_the_workers_package_comes_before_neonize(tmp_path: Path) -> None:
    """It may have to prepare the import, as on a system without libmagic."""
    package = tmp_path / "some_worker"
    package.mkdir()
    prepare = "def prepare_worker(): print('neonize' in sys.modules)"
    (package / "__init__.py").write_text(f"import sys\n{prepare}\n")
    (package / "worker.py").write_text("import sys\nprint('neonize' in sys.modules, __name__, sys.argv[1:])\n")
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-m", "rookery_simulator.whatsapp.trusting_worker", "some_worker.worker", "7"],
        env=os.environ | {"PYTHONPATH": path, "ROOKERY_SIMULATOR_NOISE_KEY": "00" * 32},
        capture_output=True,
        text=True,
    )
    assert done.stdout.splitlines() == ["False", "True __main__ ['7']"], done.stderr
