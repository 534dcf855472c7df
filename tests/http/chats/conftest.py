from __future__ import annotations

import pytest

from rookery.model.event_type import ENGINE_TYPES, ChatRole, EventType


@pytest.fixture
def messages(monkeypatch: pytest.MonkeyPatch) -> None:
    """The platform made for tests has messages in its catalogue of events."""
    types = [
        EventType(name=name, summary="a message", platform="parrot", role=ChatRole.MESSAGE)
        for name in ("message", "history.message")
    ]
    monkeypatch.setattr("rookery.assembly.ENGINE_TYPES", (*ENGINE_TYPES, *types))
