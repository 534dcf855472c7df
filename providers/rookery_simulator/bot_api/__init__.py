"""A Telegram Bot API server for tests, demos and CI: real HTTP, the real server's rules, faults on request.

In a Trio program:

    async with open_bot_api_simulator() as simulator:
        bot = simulator.bot("123456:AAbbCCddEEffGGhhIIjjKKllMMnnOOppQQr")
        bot.push_text("hello", chat_id=7)                                     # a person writes
        simulator.faults.add(Fault(kind="status", status=502, count=1))       # the next request gets an HTML page
        ...                                                                   # run a client against simulator.url
        await simulator.wait_until(lambda: len(bot.sent) == 1)
        assert bot.sent[0].text == "you said hello"
        assert bot.polls.max_simultaneous == 1 and not bot.polls.conflicts    # never two pollers

For anything else, a process that is steered over HTTP; `control` lists all requests:

    $ python -m rookery_simulator telegram --port 8081
    Bot API simulator on http://127.0.0.1:8081
    $ curl -d '{"text": "hello", "chat_id": 7}' http://127.0.0.1:8081/control/bots/123456:AAbbCCddEE/updates
    {"ok":true,"result":[481516]}

Any token of the right form is a bot and any number a chat, unless `Settings` say otherwise. Times are unix seconds.
What people do beside writing is in `People`: press buttons, pay, join, vote, react. Not simulated: the entities of a
parse_mode, fetching media from URLs, calling webhooks.
"""

from .faults import Fault, Faults
from .people import People
from .settings import Settings
from .simulator import BotApiSimulator, open_bot_api_simulator
from .world.bot import SimulatedBot
from .world.records import Sent

__all__ = ["BotApiSimulator", "Fault", "Faults", "People", "Sent", "Settings", "SimulatedBot", "open_bot_api_simulator"]
