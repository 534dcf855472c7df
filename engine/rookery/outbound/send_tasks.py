"""Tasks that call a link, each for one message after another, so that a send creates no task, nursery or cancel
scope."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

import trio

from ..errors import TerminalError
from ..model.content import Content, Text, media_of
from ..model.message import MessageState, SendOutcome
from ..provider.contract import Link
from ..services import Services
from .attempt import Pause, judge, unknown
from .chats import Chat, Item

End = Callable[[Chat, "SendOutcome | Pause"], None]
TOLERANCE = 0.02
"""Share of its time by which the deadline of a call may come early."""
OVERDUE = "no answer within the deadline; it may or may not have been sent"


class SendTasks:
    """The tasks of one session. `on_end` is called at the end of a call; it may pass more work at once.

    A call is shielded: once bytes may have left, a cancellation would only turn a known outcome into an unknown one.
    `send_timeout` (`media_timeout` with a stored file) and `stop` bound it.
    """

    def __init__(
        self, platform: str, services: Services, *, on_end: End, on_refused: Callable[[TerminalError], object]
    ) -> None:
        self._platform = platform
        self._settings = services.settings
        self._shields = services.shields
        self._telemetry = services.telemetry
        self._clock = services.clock
        self._on_end = on_end
        self._on_refused = on_refused
        self._waiting: list[Chat] = []  # never long; an empty deque would take 760 bytes of every session
        self._parked: list[trio.lowlevel.Task] = []
        self._scopes: set[trio.CancelScope] = set()  # of the tasks
        self._nursery: trio.Nursery | None = None
        self._link: Link | None = None

    def start(self, nursery: trio.Nursery, link: Link) -> None:
        """Work for this link in this nursery. When the nursery is cancelled the tasks end, each after its current
        call."""
        self._nursery, self._link = nursery, link
        for _ in self._waiting:
            nursery.start_soon(self._work)

    def end(self) -> None:
        """No task is needed any more: idle tasks end. None may be started in a nursery that is closing."""
        self._nursery = self._link = None
        self._release()

    def clear(self) -> None:
        """Forget work that was passed in but has not begun."""
        self._waiting.clear()

    def give(self, chat: Chat) -> None:
        """Send the first message of a chat soon. Callers may not pass more at a time than the link accepts."""
        self._waiting.append(chat)
        if self._parked:
            trio.lowlevel.reschedule(self._parked.pop())
        elif self._nursery is not None:
            self._nursery.start_soon(self._work)

    def stop(self) -> None:
        """The link is closing: begin no call, and give current calls `link_close_timeout` to finish."""
        self._link = None
        self._release()
        deadline = trio.current_time() + self._settings.link_close_timeout
        for scope in self._scopes:
            scope.deadline = min(scope.deadline, deadline)

    async def _work(self) -> None:
        while True:
            chat: Chat | None = None
            # This scope is left early only when a call is overdue.
            with trio.CancelScope(shield=True) as scope:
                self._scopes.add(scope)
                while True:
                    link = self._link
                    if link is None:
                        self._scopes.discard(scope)
                        return
                    if not self._waiting:
                        await self._park()
                        continue
                    if not self._extend(scope, self._waiting[0].items[0].message.content):
                        break
                    chat = self._waiting.pop(0)
                    item, began = chat.items[0], perf_counter()
                    result: SendOutcome | Pause
                    try:
                        receipt = await link.send(item.message)
                    except Exception as error:
                        result = self._judge(error, item)
                    else:
                        self._telemetry.observe("send", perf_counter() - began, self._platform)
                        result = SendOutcome(
                            id=item.message.id, state=MessageState.SENT, at=self._clock(), receipt=receipt
                        )
                    done, chat = chat, None
                    self._on_end(done, result)
            self._scopes.discard(scope)
            if chat is not None:
                self._on_end(chat, unknown(chat.items[0].message, OVERDUE, now=self._clock()))

    def _extend(self, scope: trio.CancelScope, content: Content) -> bool:
        """Set the deadline of the call that begins; False when the scope has ended. Moving a deadline costs as much as
        encoding a message, so that of the last call stays if it leaves nearly the whole time."""
        now = trio.current_time()
        if now >= scope.deadline:
            return False
        seconds = self._settings.send_timeout
        if type(content) is not Text and media_of(content):
            seconds = max(seconds, self._settings.media_timeout)
        until = min(now + seconds, self._shields.until)
        if not until - seconds * TOLERANCE <= scope.deadline <= until:
            scope.deadline = until
        return True

    async def _park(self) -> None:
        """Wait for work inside the task's shield, which costs less than lifting it each time: `stop` and `end` wake all
        waiting tasks, and one of them is always called."""
        task = trio.lowlevel.current_task()
        self._parked.append(task)

        def abort(_: object) -> trio.lowlevel.Abort:  # the deadline of the last call passed: harmless
            self._parked.remove(task)
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abort)

    def _release(self) -> None:
        parked, self._parked = self._parked, []
        for task in parked:
            trio.lowlevel.reschedule(task)

    def _judge(self, error: Exception, item: Item) -> SendOutcome | Pause:
        return judge(error, item.message, item.failures, now=self._clock(), on_refused=self._on_refused)
