"""An engine with WhatsApp sessions in a process of its own:
`python whatsapp_alone.py STORE KEY FOLDER ENVIRONMENT [OPTIONS]`.

`ENVIRONMENT` is that of the workers, `OPTIONS` are more of the provider, both as JSON. Prints a line once it runs, and
goes on until it is killed.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import trio

from rookery import EngineSettings, SessionStatus, open_engine
from rookery_whatsapp import WhatsApp

LEASE = 6.0
SHORT_LEASES = EngineSettings(
    backoff_network=0.3,
    backoff_conflict=0.5,
    backoff_jitter=0.1,
    lease_ttl=LEASE,
    lease_renew_interval=1.0,
    lease_margin=2.5,
    cluster_poll_interval=0.3,
)


async def main(*words: str) -> None:
    store, key, folder, environment, *options = words
    command = [sys.executable, "-m", "rookery_simulator.whatsapp.trusting_worker", "rookery_whatsapp.worker"]
    whatsapp = WhatsApp(
        data_dir=Path(folder),
        worker_command=command,
        worker_environment=json.loads(environment),
        **(json.loads(options[0]) if options else {}),
    )
    async with open_engine(
        providers=[whatsapp], store=store, secret_key=key, settings=SHORT_LEASES, instance="frozen"
    ) as engine:
        await engine.wait_status("one", SessionStatus.CONNECTED)
        print("connected", flush=True)
        await trio.sleep_forever()


if __name__ == "__main__":
    trio.run(main, *sys.argv[1:])
