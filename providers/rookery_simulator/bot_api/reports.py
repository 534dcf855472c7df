"""Reports of a simulator: the state of a bot, the history of its updates, its polls, the totals."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from .world.bot import SimulatedBot
from .world.polls import Poll
from .world.update_queue import Update


class BotState(msgspec.Struct, frozen=True, kw_only=True):
    """One bot's counters. `repeated` counts updates that were handed out more than once."""

    token: str
    id: int
    username: str
    is_revoked: bool
    webhook_url: str
    allowed_updates: list[str]
    queued: int
    head: int
    tail: int
    last_offset: int | None
    pushed: int
    handed_out: int
    repeated: int
    confirmed: int
    filtered: int
    refused: int
    sent: int
    conflicts: int
    polls: int
    polls_in_flight: int
    max_simultaneous_polls: int
    poll_outcomes: dict[str, int]
    calls: dict[str, int]
    errors: dict[str, int]


def bot_state(bot: SimulatedBot) -> BotState:
    """The bot's counters at this moment; `sent` and `repeated` reach back as far as the history does."""
    queue, polls = bot.queue, bot.polls
    return BotState(
        token=bot.token,
        id=bot.id,
        username=bot.username,
        is_revoked=bot.is_revoked,
        webhook_url=bot.webhook.url if bot.webhook else "",
        allowed_updates=sorted(bot.allowed_kinds),
        queued=len(queue),
        head=queue.head,
        tail=queue.tail,
        last_offset=polls.last_offset,
        pushed=queue.pushed,
        handed_out=queue.handed_out,
        repeated=sum(update.deliveries > 1 for update in queue.history),
        confirmed=queue.confirmed,
        filtered=bot.filtered,
        refused=queue.refused,
        sent=len(bot.sent),
        conflicts=len(polls.conflicts),
        polls=polls.count,
        polls_in_flight=polls.in_flight,
        max_simultaneous_polls=polls.max_simultaneous,
        poll_outcomes=dict(polls.outcomes),
        calls=dict(bot.calls),
        errors={str(code): count for code, count in bot.errors.items()},
    )


def update_report(update: Update) -> dict[str, Any]:
    """The life of one update, with the update itself as the client gets it."""
    return {
        "update_id": update.id,
        "kind": update.kind,
        "created_at": update.created_at,
        "deliveries": update.deliveries,
        "first_handed_at": update.first_handed_at,
        "end": update.end,
        "ended_at": update.ended_at,
        "update": msgspec.Raw(update.encoded),
    }


def poll_report(poll: Poll) -> dict[str, Any]:
    """One getUpdates call as an interval of unix time; `ended_at` is None while it lasts."""
    return {
        "number": poll.number,
        "arrived_at": poll.arrived_at,
        "ended_at": poll.ended_at,
        "outcome": poll.outcome,
        "offset": poll.offset,
        "limit": poll.limit,
        "timeout": poll.timeout,
        "update_count": poll.update_count,
    }


def totals(bots: Iterable[SimulatedBot], requests: int) -> dict[str, int]:
    """The counters of all bots together."""
    result = dict.fromkeys(
        ("bots", "requests", "queued", "pushed", "handed_out", "confirmed", "sent", "conflicts", "polls_in_flight"), 0
    )
    result["requests"] = requests
    for bot in bots:
        result["bots"] += 1
        result["queued"] += len(bot.queue)
        result["pushed"] += bot.queue.pushed
        result["handed_out"] += bot.queue.handed_out
        result["confirmed"] += bot.queue.confirmed
        result["sent"] += len(bot.sent)
        result["conflicts"] += len(bot.polls.conflicts)
        result["polls_in_flight"] += bot.polls.in_flight
    return result
