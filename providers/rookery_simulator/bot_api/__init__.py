"""A Telegram Bot API server for tests, demos and CI: real HTTP, the real server's rules, faults on request."""

from .bot import Sent, SimulatedBot
from .faults import Fault, Faults
from .settings import Settings
from .simulator import BotApiSimulator, open_bot_api_simulator

__all__ = ["BotApiSimulator", "Fault", "Faults", "Sent", "Settings", "SimulatedBot", "open_bot_api_simulator"]
