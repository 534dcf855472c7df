"""The getUpdates method: the only one that waits."""

from __future__ import annotations

from collections.abc import Callable

from ..wire.answers import ApiError, success_raw
from ..wire.connection import BotApiConnection
from ..wire.parameters import Parameters
from ..world.bot import SimulatedBot
from ..world.polls import WEBHOOK_IS_ACTIVE, Poll
from .service import remember_allowed_updates


async def get_updates(bot: SimulatedBot, poll: Poll, parameters: Parameters, connection: BotApiConnection) -> bytes:
    """The whole HTTP answer of a getUpdates call, as soon as it is ready.

    Raises ApiError (409, or 401 for a token that is revoked meanwhile) and HungUp when the client leaves; the call
    then stays registered, as it does at the real server.
    """
    now = bot.clock()
    if bot.webhook is not None:
        bot.polls.refuse(poll, now, WEBHOOK_IS_ACTIVE)
    else:
        remember_allowed_updates(bot, parameters)
        bot.polls.receive(
            poll,
            parameters.integer("offset"),
            parameters.integer("limit", 100),
            parameters.integer("timeout"),
            now,
        )
    if poll.is_waiting:

        def offer_wake(wake: Callable[[], None]) -> None:
            poll.wake = wake

        await connection.pause(poll.deadline - now, offer_wake, linger=bot.settings.wake_delay)
        poll.wake = None
        bot.polls.finish(poll, bot.clock())
    if poll.failure is not None:
        hold = poll.released_at - bot.clock()
        if hold > 0:
            await connection.pause(hold)
        raise ApiError(*poll.failure)
    assert poll.result is not None
    return success_raw(poll.result)
