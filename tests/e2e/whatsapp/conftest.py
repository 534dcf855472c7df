import os
import secrets
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from rookery_simulator.whatsapp import WhatsAppSimulator, open_whatsapp_simulator
from store.backends import run_sql
from store.postgres_server import private_server


@pytest.fixture
async def whatsapp() -> AsyncIterator[WhatsAppSimulator]:
    async with open_whatsapp_simulator() as simulator:
        simulator.world.settings.many_prekeys = False
        yield simulator


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    if url := os.environ.get("DATABASE_URL"):
        yield url
    else:
        with private_server() as postgres:
            yield postgres.url


@pytest.fixture
def database(server: str) -> Iterator[dict[str, Any]]:
    """Options of an engine that keeps everything in PostgreSQL, in schemas of its own."""
    name = secrets.token_hex(4)
    yield {
        "store": f"{server}?schema=engine_{name}",
        "secret_key": "a passphrase for the tests",
        "database_url": server,
        "schema": f"devices_{name}",
    }
    run_sql(server, f"DROP SCHEMA IF EXISTS engine_{name} CASCADE; DROP SCHEMA IF EXISTS devices_{name} CASCADE;")
