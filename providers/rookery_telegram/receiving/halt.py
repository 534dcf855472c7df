"""How the polls of a bot make way for something else, such as leaving its server."""

from __future__ import annotations

import trio


class Halt:
    """Both events are set once."""

    def __init__(self) -> None:
        self.polls_ended = trio.Event()
        self.over = trio.Event()

    async def make_way(self) -> None:
        """Called by the task that polls, between two polls; returns when it may go on."""
        self.polls_ended.set()
        await self.over.wait()
