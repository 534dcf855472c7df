"""Run a worker of the unmodified neonize wheel that trusts the simulator; for tests and demos only.

    python -m rookery_simulator.whatsapp.trusting_worker some.worker.module argument ...

The environment of `WhatsAppSimulator.environment()` says which key to trust. The worker's package is imported, its
`prepare_worker()` called if it has one, neonize loaded and its root key replaced; then the named module (or file, when the
name ends in `.py`) runs as if it had been started itself.
"""

from __future__ import annotations

import importlib
import os
import runpy
import sys

from .trust import replace_root_key

KEY_VARIABLE = "ROOKERY_SIMULATOR_NOISE_KEY"  # 64 hexadecimal digits


def main() -> None:
    """Replace the key, then become the worker that the command line names."""
    del sys.argv[0]
    is_file = sys.argv[0].endswith(".py")
    if not is_file:
        # It may prepare the import of neonize, as for libmagic.
        package = importlib.import_module(sys.argv[0].partition(".")[0])
        getattr(package, "prepare_worker", lambda: None)()
    importlib.import_module("neonize")
    replace_root_key(bytes.fromhex(os.environ[KEY_VARIABLE]))
    if is_file:
        runpy.run_path(sys.argv[0], run_name="__main__")
    else:
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
