"""The control API, with which a test or a script in another process steers and queries the simulator.

Every answer is JSON in the Bot API's own envelope, `{"ok": true, "result": ...}` or `{"ok": false, ...}`. It is meant
for tests and has no authentication.

| request | body or query | effect |
|---|---|---|
| `GET /control/stats` | | totals over all bots |
| `POST /control/reset` | | forget bots, faults, latencies |
| `GET /control/bots` | | the state of every bot |
| `POST /control/bots` | `{"count": 3}` or `{"token": ...}` | register bots, answers their tokens |
| `GET /control/bots/T` | | one bot: queue, confirmed offset, deliveries, 409s, polls |
| `POST /control/bots/T/updates` | see below | people do something |
| `GET /control/bots/T/updates` | `?after=ID&limit=N` | every update: how often handed out, when confirmed |
| `GET /control/bots/T/sent` | `?after=NUMBER&limit=N` | messages the bot sent |
| `GET /control/bots/T/actions` | `?after=NUMBER&limit=N` | its edits, deletions, reactions, chat actions |
| `GET /control/bots/T/polls` | `?after=NUMBER&limit=N` | getUpdates calls as intervals, and every 409 |
| `POST /control/bots/T/press`, `pay`, `join`, ... | see `acts` | people press buttons, pay, join, vote, ... |
| `POST /control/bots/T/revoke` | | every call gets 401 from now on |
| `POST /control/bots/T/block` | `{"chat_id": 5, "description": ""}` | sends to the chat get 403 |
| `POST /control/bots/T/unblock` | `{"chat_id": 5}` | sends pass again |
| `POST /control/bots/T/migrate` | `{"chat_id": -5, "to_chat_id": -1001}` | sends get 400 `migrate_to_chat_id` |
| `POST /control/bots/T/restart_ids` | | update ids go on from another number |
| `POST /control/updates` | as for one bot | the same for every registered bot |
| `GET /control/faults` | | the faults in force |
| `POST /control/faults` | the fields of `Fault` | put a fault into force |
| `DELETE /control/faults`, `/control/faults/ID` | | lift all faults or one |
| `POST /control/limits` | `{"chat_per_second": 1, ...}` | replace the flood limits |
| `POST /control/latency` | `{"method": "sendMessage", "seconds": 0.05}` | slow a method down, all with `""` |

Updates are `{"text": "hi", "chat_id": 1, "from_id": 1}`, or a partial update such as `{"message": {...}}` that is
completed with ids and dates, or a list of these, or `{"count": 1000, "chats": 10}` for the texts "1" to "1000".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, Protocol, TypeVar
from urllib.parse import parse_qsl

import msgspec
import trio

from .acts import ACTS, perform
from .faults import Fault, Faults
from .reports import bot_state, poll_report, totals, update_report
from .wire.answers import ApiError, success
from .wire.http import Request
from .world.bot import SimulatedBot

Shape = TypeVar("Shape")

MAX_BULK = 1_000_000


class Controllable(Protocol):
    """The part of the simulator that these calls use; see `simulator.BotApiSimulator`."""

    faults: Faults
    latency: dict[str, float]
    requests: int

    @property
    def bots(self) -> Mapping[str, SimulatedBot]: ...

    def bot(self, token: str) -> SimulatedBot:
        """Raises ValueError."""

    def new_bot(self) -> SimulatedBot: ...

    def set_flood_limits(
        self,
        *,
        chat_per_second: float | None = None,
        group_per_minute: float | None = None,
        bot_per_second: float | None = None,
        new_bots_per_minute: float | None = None,
    ) -> None: ...

    def reset(self) -> None: ...


class _NewBots(msgspec.Struct, forbid_unknown_fields=True):
    count: int = 1
    token: str = ""


class _Bulk(msgspec.Struct, forbid_unknown_fields=True):
    count: int
    chats: int = 1
    first: int = 1


class _Text(msgspec.Struct, forbid_unknown_fields=True):
    text: str
    chat_id: int = 1
    from_id: int | None = None


class _ChatChoice(msgspec.Struct, forbid_unknown_fields=True):
    chat_id: int
    description: str = ""


class _Migration(msgspec.Struct, forbid_unknown_fields=True):
    chat_id: int
    to_chat_id: int


class _Limits(msgspec.Struct, forbid_unknown_fields=True):
    chat_per_second: float | None = None
    group_per_minute: float | None = None
    bot_per_second: float | None = None
    new_bots_per_minute: float | None = None


class _Latency(msgspec.Struct, forbid_unknown_fields=True):
    seconds: float
    method: str = ""


async def handle(simulator: Controllable, path: str, request: Request) -> bytes:
    """Answer one control request. Raises ApiError 400 or 404."""
    verb = request.method
    match [part for part in path.split("/") if part][1:]:
        case ["stats"] if verb == "GET":
            return success(totals(simulator.bots.values(), simulator.requests))
        case ["reset"] if verb == "POST":
            simulator.reset()
            return success(True)
        case ["faults", *rest]:
            return success(_faults(simulator, verb, rest, request))
        case ["limits"] if verb == "POST":
            simulator.set_flood_limits(**msgspec.structs.asdict(_body(request, _Limits)))
            return success(True)
        case ["latency"] if verb == "POST":
            latency = _body(request, _Latency)
            simulator.latency[latency.method.lower()] = latency.seconds
            return success(True)
        case ["updates"] if verb == "POST":
            return success(await _push(tuple(simulator.bots.values()), request))
        case ["bots"]:
            return success(_bots(simulator, verb, request))
        case ["bots", token, *rest]:
            try:
                bot = simulator.bot(token)
            except ValueError as error:
                raise ApiError(400, f"Bad Request: {error}") from None
            if rest == ["updates"] and verb == "POST":
                return success((await _push((bot,), request))[bot.token])
            if verb == "POST" and len(rest) == 1 and rest[0] in ACTS:
                return success(perform(bot, rest[0], request.body))
            return success(_bot(bot, verb, rest, request))
    raise ApiError(404, "Not Found: no such control request")


def _bots(simulator: Controllable, verb: str, request: Request) -> object:
    if verb == "GET":
        return [bot_state(bot) for bot in simulator.bots.values()]
    wanted = _body(request, _NewBots)
    if wanted.token:
        try:
            return [simulator.bot(wanted.token).token]
        except ValueError as error:
            raise ApiError(400, f"Bad Request: {error}") from None
    return [simulator.new_bot().token for _ in range(min(wanted.count, MAX_BULK))]


def _bot(bot: SimulatedBot, verb: str, rest: list[str], request: Request) -> object:
    match verb, rest:
        case "GET", []:
            return bot_state(bot)
        case "GET", ["updates"]:
            after, limit = _page(request)
            return [update_report(update) for update in islice((u for u in bot.queue.history if u.id > after), limit)]
        case "GET", ["sent"]:
            after, limit = _page(request)
            return list(islice((sent for sent in bot.sent if sent.number > after), limit))
        case "GET", ["actions"]:
            after, limit = _page(request)
            return list(islice((action for action in bot.actions if action.number > after), limit))
        case "GET", ["polls"]:
            after, limit = _page(request)
            polls = islice((poll for poll in bot.polls.history if poll.number > after), limit)
            conflicts = [conflict._asdict() for conflict in bot.polls.conflicts]
            return {"polls": [poll_report(poll) for poll in polls], "conflicts": conflicts}
        case "POST", ["revoke"]:
            bot.revoke()
        case "POST", ["block"]:
            choice = _body(request, _ChatChoice)
            bot.block(choice.chat_id, choice.description)
        case "POST", ["unblock"]:
            bot.unblock(_body(request, _ChatChoice).chat_id)
        case "POST", ["migrate"]:
            migration = _body(request, _Migration)
            bot.migrate(migration.chat_id, migration.to_chat_id)
        case "POST", ["restart_ids"]:
            bot.restart_ids()
        case _:
            raise ApiError(404, "Not Found: no such control request")
    return True


def _faults(simulator: Controllable, verb: str, rest: list[str], request: Request) -> object:
    match verb, rest:
        case "GET", []:
            return list(simulator.faults)
        case "POST", []:
            return simulator.faults.add(_body(request, Fault))
        case "DELETE", []:
            return simulator.faults.clear()
        case "DELETE", [number] if number.isdecimal():
            return simulator.faults.clear(int(number))
    raise ApiError(404, "Not Found: no such control request")


async def _push(bots: Iterable[SimulatedBot], request: Request) -> dict[str, list[int | None]]:
    """Push the same updates to each bot; returns their ids by token, None for those the server would drop."""
    body: Any = _body(request, object)
    items = body if isinstance(body, list) else [body]
    result: dict[str, list[int | None]] = {}
    for bot in bots:
        ids = result[bot.token] = []
        for item in items:
            await _push_one(bot, item, ids)
    return result


async def _push_one(bot: SimulatedBot, item: Any, ids: list[int | None]) -> None:
    if not isinstance(item, dict):
        raise ApiError(400, "Bad Request: an update must be an Object")
    try:
        if "count" in item:
            bulk = msgspec.convert(item, _Bulk)
            if not 0 <= bulk.count <= MAX_BULK or bulk.chats < 1:
                raise ApiError(400, f"Bad Request: count must be 0 to {MAX_BULK} and chats at least 1")
            for done in range(0, bulk.count, 1000):
                count = min(1000, bulk.count - done)
                ids += bot.push_many(count, chats=bulk.chats, first=bulk.first, skip=done)
                await trio.lowlevel.checkpoint()
            return
        if "text" in item:
            text = msgspec.convert(item, _Text)
            update = bot.push_text(text.text, chat_id=text.chat_id, from_id=text.from_id)
        else:
            update = bot.push_update(item)
    except (msgspec.ValidationError, ValueError) as error:
        raise ApiError(400, f"Bad Request: {error}") from None
    ids.append(update.id if update else None)


def _body(request: Request, shape: type[Shape]) -> Shape:
    try:
        return msgspec.json.decode(request.body or b"{}", type=shape)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise ApiError(400, f"Bad Request: {error}") from None


def _page(request: Request) -> tuple[int, int]:
    query = dict(parse_qsl(request.query.decode("latin-1")))
    try:
        return int(query.get("after", 0)), int(query.get("limit", 1000))
    except ValueError:
        raise ApiError(400, "Bad Request: after and limit must be numbers") from None
