"""Looks for secrets in every line that the suite logs, and in the stderr of server processes (E4, H1).

Whatever looks like a bot's token or a webhook's secret counts, and the keys that tests use. Lines are seen before any
masking: whoever logs or raises has to leave the secret out.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

from rookery_simulator.bot_api.world import bot as bot_module

SECRETS = re.compile(rb"(?<!\d)\d{5,20}:[A-Za-z0-9_-]{20,}|whsec_[A-Za-z0-9+/]{24,}|0123456789abcdef0123456789abcdef")
"""Tokens, webhook secrets, and the secret key of `tests/http/conftest.py`."""

PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


class SecretWatch(logging.Handler):
    """Keeps what it has found since the last look."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(logging.Formatter())
        self.found: list[str] = []
        self.tokens: set[bytes] = set()  # of simulated bots, however they look
        self.lines = 0

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler`. A record's extra fields count as well as its text and its traceback."""
        self.lines += 1
        fields = {name: value for name, value in vars(record).items() if name not in PLAIN}
        self.look(f"{self.format(record)} {fields!r}".encode(errors="replace"), record.name)

    def look(self, text: bytes, where: str) -> None:
        """Search a text that people may read."""
        for secret in SECRETS.findall(text):
            self.found.append(f"{where}: {secret[:12].decode()}... in {text[:300].decode(errors='replace')}")
        for token in self.tokens:
            if token in text:
                self.found.append(f"{where}: a bot's token in {text[:300].decode(errors='replace')}")

    def take(self) -> list[str]:
        """The secrets found so far; start again without them."""
        found, self.found = self.found, []
        return found


WATCH = SecretWatch()


@contextmanager
def watching() -> Iterator[SecretWatch]:
    """From here on every record of the engine and the server passes the watch, those for debugging too."""
    logger = logging.getLogger("rookery")
    make = bot_module.SimulatedBot.__init__

    def remember(self: bot_module.SimulatedBot, token: str, *arguments: object) -> None:
        if not SECRETS.fullmatch(token.encode()) and len(token) >= 12:
            WATCH.tokens.add(token.encode())
        make(self, token, *arguments)  # type: ignore[arg-type]

    bot_module.SimulatedBot.__init__ = remember  # type: ignore[method-assign, assignment]
    logger.addHandler(WATCH)
    try:
        yield WATCH
    finally:
        logger.removeHandler(WATCH)
        bot_module.SimulatedBot.__init__ = make  # type: ignore[method-assign]
