"""Settings of a Bot API simulator: its strictness and its speed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(kw_only=True)
class Settings:
    """Options of a simulator; the defaults behave like the real server. Durations are seconds.

    They may be changed while the simulator runs, apart from `history` and the two `max_..._bytes`.
    """

    auto_register: bool = True
    """Accept any well-formed token as a bot; otherwise only registered bots exist, and all others get 401."""
    known_chats_only: bool = False
    """Refuse sends to chats that never wrote to the bot, as Telegram does; otherwise any number is a chat."""
    repeat_wait: float = 3.0
    """If an offset is repeated within this time, getUpdates waits at least this long; 0 disables the rule."""
    repeat_single: float = 0.5
    """An offset repeated within this time gets only one update; 0 disables the rule."""
    conflict_hold: float = 3.0
    """How long the server holds back further 409s after a first one; 0 disables the rule."""
    max_poll_timeout: float = 50.0
    """The longest wait of getUpdates, whatever the client asks for."""
    wake_delay: float = 0.0
    """How long a waiting getUpdates lingers for more updates once one arrived; the real server takes 0.001."""
    chat_per_second: float | None = None
    """Messages a second to one chat before it answers 429; None means no limit."""
    group_per_minute: float | None = None
    """Messages a minute to one group before it answers 429."""
    bot_per_second: float | None = None
    """Messages a second that one bot may send in total before 429."""
    new_bots_per_minute: float | None = None
    """Bots a minute that may make their first call before 429; the real server takes 20 from one address."""
    checkout_seconds: float = 10.0
    """How long a bot may take to answer a pre-checkout query; other queries expire with their updates."""
    history: int = 100_000
    """How many updates, messages, sends and polls are remembered for each bot."""
    max_body_bytes: int = 64 * 1024 * 1024
    """The largest request body; more is answered with 413."""
    max_stored_bytes: int = 256 * 1024 * 1024
    """Bytes of uploaded files kept for all bots together; the oldest are forgotten first."""
    seed: int = 0
    """The first update id depends on this, on the token, and on how often the token was registered in this process,
    so that a restarted simulator does not hand out old ids again."""
