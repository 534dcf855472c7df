"""The parts of an album, one at a time: `People.send_album` sends them all at once."""

from __future__ import annotations

from rookery_simulator.bot_api import SimulatedBot


def push_part(bot: SimulatedBot, group: str, *, chat_id: int = 7) -> None:
    """A person's client uploads one more photo of the album `group`."""
    stored = bot.files.add(f"photo of {group}".encode(), "photo.jpg")
    photo = stored.describe() | {"width": 320, "height": 240}
    bot.push_message({"photo": [photo], "media_group_id": group}, chat_id=chat_id)
