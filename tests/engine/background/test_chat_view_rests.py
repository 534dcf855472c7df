"""How long the view of chats rests while events keep coming."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from rookery.background import chat_view
from rookery.background.chat_view import BEHIND, CHUNK, REST_MOST, SHARE, ChatView
from rookery.model.chat import ChatSource
from rookery.runtime.signals import Signals


class EndlessLog:
    """A store whose log is always longer; each chunk takes `work` seconds."""

    shared = False

    def __init__(self, stored_at: float) -> None:
        self.stored_at = stored_at
        self.asked: list[float] = []

    async def chat_position(self) -> int:
        return 0

    async def chat_sources(self, after: int, *, session: str | None, limit: int) -> list[ChatSource]:
        self.asked.append(trio.current_time())
        await trio.lowlevel.checkpoint()
        return [
            ChatSource(after + n, 1, "message", "fake", 0.0, None, b"{}", self.stored_at) for n in range(1, limit + 1)
        ]

    async def write_chats(self, *_: Any, position: int | None) -> None:
        assert position is not None
        assert position % CHUNK == 0


@pytest.mark.parametrize(
    ("work", "age", "rest"),
    [(0.01, 0.0, 0.01 * SHARE), (4.0, 0.0, REST_MOST), (0.01, BEHIND + 1, 0.01), (4.0, BEHIND + 1, REST_MOST)],
)
async def test_the_view_rests_but_not_for_long_and_less_when_it_is_behind(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, work: float, age: float, rest: float
) -> None:
    readings = count()
    monkeypatch.setattr(chat_view, "perf_counter", lambda: next(readings) * work)
    store: Any = EndlessLog(1000.0 - age)
    view = ChatView("me", store, Signals(), (), lambda: 1000.0)
    with trio.move_on_after(20 * rest):
        await view.run()
    steps = [later - before for before, later in zip(store.asked, store.asked[1:], strict=False)]
    assert len(steps) >= 10
    assert steps == pytest.approx([rest] * len(steps))
