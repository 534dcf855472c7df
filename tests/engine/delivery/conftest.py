from __future__ import annotations

import pytest

from support.answered_posts import answer_posts
from support.engines.delivering import Endpoints


@pytest.fixture
def endpoints(monkeypatch: pytest.MonkeyPatch) -> Endpoints:
    found = Endpoints()
    answer_posts(monkeypatch, found.handle)
    return found
