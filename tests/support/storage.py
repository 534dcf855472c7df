"""Where a server process of an end-to-end test keeps its state."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

LONG = os.environ.get("ROOKERY_TEST_LONG", "") not in ("", "0")
"""The full figures on PostgreSQL too; without it fewer repetitions, because each start there waits for a lease to end."""

QUICK_LEASES = {
    "ROOKERY_LEASE_TTL": "4",
    "ROOKERY_LEASE_RENEW_INTERVAL": "0.6",
    "ROOKERY_LEASE_MARGIN": "1.2",
    "ROOKERY_CLUSTER_POLL_INTERVAL": "0.3",
}


@dataclass
class Storage:
    """`environment` is what a server needs to find it; `shared`: several processes at once may."""

    data_dir: Path
    shared: bool = False
    environment: dict[str, str] = field(default_factory=dict)

    def repetitions(self, count: int, fewer: int) -> int:
        """`count`, or `fewer` where each one takes long and a full run was not asked for."""
        return fewer if self.shared and not LONG else count


def sqlite(data_dir: Path) -> Storage:
    return Storage(data_dir)


def postgres(data_dir: Path, url: str, **more: str) -> Storage:
    """`url` names the schema too."""
    environment = {"DATABASE_URL": url, "ROOKERY_SECRET_KEY": "a key for end-to-end tests"}
    return Storage(data_dir, True, environment | QUICK_LEASES | more)
