"""The command `rookery`, without the settings of the environment in which the tests run."""

from __future__ import annotations

import os
import subprocess
import sys

ROOKERY = [sys.executable, "-m", "rookery_http"]
OWN = ("ROOKERY_", "DATABASE_URL", "MAX_CONCURRENT", "AUTO_CLEANUP", "LOG_")
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith(OWN)}


def rookery(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end, with these variables."""
    return subprocess.run(
        [*ROOKERY, *arguments], env=ENVIRONMENT | variables, capture_output=True, text=True, timeout=30
    )
