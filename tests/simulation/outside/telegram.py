"""Telegram by its real rules: the simulator's own queue and poll desk, without sockets, with a network that fails."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

import msgspec
import outcome
import trio

from rookery_simulator.bot_api.settings import Settings
from rookery_simulator.bot_api.world.polls import Poll, PollDesk
from rookery_simulator.bot_api.world.update_queue import Update, UpdateQueue
from rookery_telegram.bot_api.errors import Answer, NoAnswer, read_answer

from ..machines import Process
from ..world import PROCESS, Crashed, Reply, World, ask
from .database import SharedDatabase

RETRY_AFTER = 7  # seconds that a 429 asks for
LINGER = 50.0
"""Seconds for which a poll whose connection broke unseen stays registered."""


class Bot:
    """One bot at Telegram."""

    def __init__(self, session: str, number: int, token: str, first_id: int, settings: Settings) -> None:
        self.session = session
        self.id = str(number)
        self.token = token
        self.queue = UpdateQueue(first_id)
        self.desk = PollDesk(self.queue, settings)
        self.asking: dict[Process, int] = {}  # engines that wait for the answer to a getUpdates
        self.texts: list[str] = []  # of every update, in order
        self.arrived: Counter[str] = Counter()  # texts of messages that were sent by it
        self.mode = "up"  # up, busy (429), broken (5xx), garbage, mute (takes it and never answers)
        self.stranger_until = -1.0  # another program polls until then
        self.messages = 0


class Telegram:
    """The server and everything between it and the engines."""

    def __init__(self, world: World, database: SharedDatabase) -> None:
        self._world = world
        self._database = database
        self._chance = world.chance
        self.settings = Settings(history=1000, max_poll_timeout=600.0)
        self.bots: dict[str, Bot] = {}  # by token
        self.by_session: dict[str, Bot] = {}
        self.calls: Counter[str] = Counter()
        self.open: Counter[Process | None] = Counter()  # clients of the Bot API that engines have not closed
        self.lease = 0.0  # seconds that a lease is good for

    def add(self, session: str, number: int, first_id: int) -> Bot:
        """A new bot."""
        bot = Bot(session, number, f"{number}:AAtoken-{session}", first_id, self.settings)
        self.bots[bot.token] = self.by_session[session] = bot
        return bot

    def revoke(self, bot: Bot) -> None:
        """Its owner makes a new token; the old one is worth nothing."""
        self.bots.pop(bot.token, None)
        bot.token = f"{bot.token.partition('-')[0]}-{bot.session}-{int(self._world.now)}"
        self.bots[bot.token] = bot

    def write(self, bot: Bot, chat: int, text: str) -> None:
        """Somebody writes to the bot."""
        world, queue = self._world, bot.queue
        bot.messages += 1
        update = {
            "update_id": queue.next_id,
            "message": {
                "message_id": bot.messages,
                "date": int(world.wall),
                "chat": {"id": chat, "type": "private"},
                "from": {"id": chat, "is_bot": False, "first_name": "A"},
                "text": f"<<{text}>>",
            },
        }
        queue.push("message", msgspec.json.encode(update), world.wall, keep_for=86_400.0)
        bot.texts.append(text)
        world.tell(f"{bot.session}: {text} arrives at Telegram as {queue.tail - 1}")
        bot.desk.updates_arrived(world.wall)

    def replay(self, bot: Bot, count: int) -> None:
        """The server falls back to an older state of the queue and delivers confirmed updates again."""
        confirmed = [update for update in bot.queue.history if update.end == "confirmed"][-count:]
        for update in reversed(confirmed):
            again = Update(update.id, update.kind, update.encoded, update.created_at, update.expires_at)
            bot.queue._events.appendleft(again)
            bot.queue._bytes += len(again.encoded)
        self._world.tell(f"{bot.session}: Telegram replays {[update.id for update in confirmed]}")
        bot.desk.updates_arrived(self._world.wall)

    def unstored(self, bot: Bot) -> list[str]:
        """Texts that were written and are not in the log."""
        return [text for text in bot.texts if not self._database.observer.received[text]]

    # The server

    def serve(
        self, token: str, method: str, params: Mapping[str, Any], reply: Callable[[int, Any], None]
    ) -> Poll | None:
        """One request that has arrived. `reply` is called with a status and a body, now, later or never."""
        self.calls[method] += 1
        bot = self.bots.get(token)
        if bot is None:
            reply(401, _error(401, "Unauthorized"))
            return None
        match bot.mode:
            case "busy":
                reply(429, _error(429, "Too Many Requests: retry later", retry_after=RETRY_AFTER))
                return None
            case "broken":
                reply(502, b"<html>Bad Gateway</html>")
                return None
            case "garbage":
                reply(200, b'{"ok":true,"resu')
                return None
            case "elsewhere":  # its owner has moved it to a Bot API server of their own
                reply(421, _error(421, "Misdirected Request"))
                return None
            case "blind" if method == "getMe":  # it hands out updates, and answers nothing else
                reply(502, b"<html>Bad Gateway</html>")
                return None
        match method:
            case "getUpdates":
                return self._get_updates(bot, params, reply)
            case "getMe":
                reply(200, _ok({"id": int(bot.id), "is_bot": True, "first_name": "B", "username": f"bot{bot.id}"}))
            case "sendMessage":
                self._send(bot, params, reply)
            case _:
                reply(200, b'{"ok":true,"result":true}')
        return None

    def _send(self, bot: Bot, params: Mapping[str, Any], reply: Callable[[int, Any], None]) -> None:
        text = params["text"].strip("<>")
        if text.startswith("bad"):
            reply(400, _error(400, "Bad Request: chat not found"))
            return
        bot.arrived[text] += 1
        bot.messages += 1
        self._world.tell(f"{bot.session}: {text} is sent")
        if bot.arrived[text] > 1:
            self._world.violate(f"{text} of {bot.session} was sent {bot.arrived[text]} times")
        chat = {"id": params["chat_id"], "type": "private"}
        reply(200, _ok({"message_id": bot.messages, "date": int(self._world.wall), "chat": chat, "text": text}))

    def _get_updates(self, bot: Bot, params: Mapping[str, Any], reply: Callable[[int, Any], None]) -> Poll:
        world, desk = self._world, bot.desk
        if world.now < bot.stranger_until and int(params.get("timeout", 0)) > 0:
            reply(409, _error(409, "Conflict: terminated by other getUpdates request"))
            return desk.open(world.wall)
        poll = desk.open(world.wall)
        before = bot.queue.confirmed
        first = bot.queue.head
        desk.receive(
            poll,
            int(params.get("offset", 0)),
            int(params.get("limit", 100)),
            float(params.get("timeout", 0)),
            world.wall,
        )
        if bot.queue.confirmed != before:
            self._confirmed(bot, first)

        def answer() -> None:
            if poll.outcome:  # its client has gone
                return
            desk.finish(poll, world.wall)
            name = poll.result_name
            desk.close(poll, world.wall, name)
            if poll.result is not None:
                reply(200, b'{"ok":true,"result":' + poll.result + b"}")
            else:
                assert poll.failure is not None
                reply(poll.failure[0], _error(*poll.failure))

        if poll.is_waiting:
            poll.wake = lambda: world.after(0.001, answer)
            world.after(poll.timeout, answer)
        else:
            world.after(max(0.0, poll.released_at - world.wall), answer)
        return poll

    def _confirmed(self, bot: Bot, first: int) -> None:
        """The server has forgotten these for good: they must be in the log."""
        received = self._database.observer.received
        for update in bot.queue.history:
            if update.id >= first and update.end == "confirmed" and update.ended_at == self._world.wall:
                text = update.encoded.partition(b"<<")[2].partition(b">>")[0].decode()
                if not received[text]:
                    self._world.violate(f"{text} of {bot.session} was confirmed to Telegram and is not stored")


class SimulatedApi:
    """Stands for `rookery_telegram.api.BotApi`: the same calls and errors, another network."""

    telegram: Telegram  # set by the run

    def __init__(self, token: str, server: object = None, **_: object) -> None:
        self._token = token
        self._process = PROCESS.get()
        self.telegram.open[self._process] += 1

    async def ask(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        seconds: float = 25.0,
    ) -> msgspec.Raw:
        return read_answer(*await self.exchange(method, params, seconds=seconds))

    async def exchange(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        seconds: float = 25.0,
        repeat: bool = True,
        on_sent: Callable[[], None] | None = None,
        scope: trio.CancelScope | None = None,
    ) -> Answer:
        with scope or nullcontext():
            try:
                return await self._once(method, params, seconds, on_sent)
            except NoAnswer as error:
                if not (repeat and error.broken):
                    raise
            return await self._once(method, params, seconds, on_sent)
        raise NoAnswer("the call was given up", left=True)

    async def call(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        seconds: float = 25.0,
        spare: float = 0.0,
    ) -> msgspec.Raw:
        return read_answer(*await self._once(method, params, seconds, None))

    async def _once(
        self, method: str, params: Mapping[str, Any] | None, seconds: float, on_sent: Callable[[], None] | None
    ) -> Answer:
        await trio.lowlevel.checkpoint_if_cancelled()
        telegram, process = self.telegram, PROCESS.get()
        assert process is not None
        world, chance = telegram._world, telegram._chance
        if world.over:
            raise Crashed
        mode = process.machine.platform
        way = (0.02 + 0.05 * chance.random()) * process.machine.lag
        dice = chance.random()
        if mode == "refuse":
            await trio.sleep(way)
            raise NoAnswer("connection refused", left=False)
        if mode == "hang":
            await trio.sleep(10.0)
            raise NoAnswer("no connection within 10 s", left=False)
        if mode == "up" and dice < 0.002:
            mode, dice = "lossy", chance.random()
        lost_there, lost_back = mode == "lossy" and dice < 0.15, mode == "lossy" and 0.15 <= dice < 0.35
        if on_sent is not None:
            on_sent()
        bot = telegram.bots.get(self._token)
        polling = bot if method == "getUpdates" and bot is not None else None
        if polling is not None:
            telegram_checks(telegram, polling, process)
        request = _Request(world, telegram, self._token, method, dict(params or {}), process, way, lost_back)
        try:
            with trio.move_on_after(seconds):
                status, body = await ask(lambda reply: request.start(reply, lost_there), request.hang_up)
                return status, {}, body
            raise NoAnswer(f"no answer within {seconds:g} s", left=True)
        finally:
            if polling is not None:
                polling.asking[process] -= 1
                if not polling.asking[process]:
                    del polling.asking[process]

    async def aclose(self) -> None:
        self.telegram.open[self._process] -= 1
        await trio.lowlevel.checkpoint()


class _Request:
    """One request on its way."""

    def __init__(
        self,
        world: World,
        telegram: Telegram,
        token: str,
        method: str,
        params: dict[str, Any],
        process: Process,
        way: float,
        lost_back: bool,
    ) -> None:
        self._world = world
        self._telegram = telegram
        self._token = token
        self._method = method
        self._params = params
        self._process = process
        self._way = way
        self._lost_back = lost_back
        self._poll: Poll | None = None
        self._gone = False

    def start(self, reply: Reply, lost: bool) -> None:
        def arrive() -> None:
            if self._process.machine.platform in ("refuse", "hang"):
                world.after(
                    self._way, lambda: reply(outcome.Error(NoAnswer("the connection broke", left=True, broken=True)))
                )
                return
            if self._gone and self._method != "getUpdates":
                pass  # the request was on its way already: the server does it
            self._poll = self._telegram.serve(self._token, self._method, self._params, answer)
            if self._gone:
                self.hang_up()

        def answer(status: int, body: bytes) -> None:
            if self._lost_back:
                world.after(
                    self._way, lambda: reply(outcome.Error(NoAnswer("the connection broke", left=True, broken=True)))
                )
            elif self._process.machine.platform == "hang":
                pass  # it never arrives
            else:
                world.after(self._way, reply, outcome.Value((status, body)))

        world = self._world
        if lost:
            world.after(
                self._way, lambda: reply(outcome.Error(NoAnswer("the connection broke", left=True, broken=True)))
            )
        else:
            world.after(self._way, arrive)

    def hang_up(self) -> None:
        """The client closes the connection; the server notices, mostly."""
        self._gone = True
        poll, world = self._poll, self._world
        bot = self._telegram.bots.get(self._token)
        if poll is not None and bot is not None:
            linger = 0.02 if self._process.machine.platform == "up" else LINGER
            world.after(linger, lambda: bot.desk.close(poll, world.wall, "hung_up"))


def telegram_checks(telegram: Telegram, bot: Bot, process: Process) -> None:
    """A getUpdates leaves: its engine must hold the session, and no other engine may be polling."""
    world, database = telegram._world, telegram._database
    owner, until = database.owner_of(bot.session)
    last, at = database.observer.last_owner.get(bot.session, (None, 0.0))
    if last == process.name:  # deleted while it was cut off, and its lease had not ended
        owner, until = last, at + telegram.lease
    if owner != process.name or until < world.now:
        world.violate(f"{process} polls {bot.session}, which {owner} holds until {until:.3f}")
    for other in bot.asking:
        if other is not process and other.running:
            world.violate(f"{process} polls {bot.session} while {other} does")
    if bot.asking.get(process):
        world.violate(f"{process} polls {bot.session} twice at once")
    bot.asking[process] = bot.asking.get(process, 0) + 1


def _ok(result: object) -> bytes:
    return b'{"ok":true,"result":' + msgspec.json.encode(result) + b"}"


def _error(code: int, description: str, **parameters: object) -> bytes:
    return msgspec.json.encode(
        {"ok": False, "error_code": code, "description": description, "parameters": parameters or None}
    )
