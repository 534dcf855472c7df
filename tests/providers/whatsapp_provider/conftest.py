from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rookery import Engine, EngineSettings, open_engine
from rookery_whatsapp import WhatsApp, WorkerSettings
from rookery_whatsapp.device import devices, pairing
from rookery_whatsapp.worker_pool import answers, process
from support.whatsapp_engine import QUICK

MOCK_WORKER = Path(__file__).parents[2] / "support/mock_worker.py"
IMPATIENT = WorkerSettings(beat=0.1, silence=0.6, loading=5.0, idle=0.3, watch=0.1)

Opener = Callable[..., AbstractAsyncContextManager[Engine]]


@pytest.fixture
def mocked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Opener:
    """Opens an engine whose workers are mocks; the devices' keys are always there."""

    async def holds(self: object, session: str, jid: str) -> bool:
        return True

    monkeypatch.setattr(devices.SqliteDevices, "holds", holds)
    monkeypatch.setattr(pairing, "NEXT_CODE", 0.0)
    monkeypatch.setattr(answers, "RATE_LIMIT_PAUSE", 0.1)

    @asynccontextmanager
    async def opener(
        *,
        workers: dict[str, Any] | None = None,
        settings: EngineSettings = QUICK,
        qr_rounds: int | None = None,
        **environment: str,
    ) -> AsyncIterator[Engine]:
        provider = WhatsApp(
            data_dir=tmp_path,
            worker_command=[process.default_command()[0], str(MOCK_WORKER)],
            worker_environment=environment,
            qr_rounds=qr_rounds,
            workers=msgspec.structs.replace(IMPATIENT, **workers or {}),
        )
        async with open_engine(providers=[provider], store="memory:", settings=settings) as engine:
            yield engine

    return opener
