"""The settings of one bot and the address of its server, and their checks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from rookery.errors import InvalidInput
from rookery.provider.pacer import Rate

from .bot_api.proxy import check_proxy
from .receiving.updates import ALL_KINDS

Kind = Annotated[str, msgspec.Meta(extra_json_schema={"enum": list(ALL_KINDS)})]


class BotSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`Session.settings` of a bot; every field is optional.

    `takeover`: when another program polls the same bot, retry after seconds instead of a minute. `allowed_updates`: kinds of
    updates, all if absent. `sends_per_second`: messages a second in total, 0 for no limit. `sends_per_second_per_chat`:
    messages a second to one chat, 0 for no limit. `sends_per_second_per_group`: the same for groups and channels, in
    addition, counted by the minute. `proxy`: http://, https:// or socks5://, with user and password if it needs them,
    for all traffic of this bot. `gather_albums`: seconds without another part after which the parts of a media
    group, which are events of their own, also become one event `album`.
    """

    takeover: bool = False
    allowed_updates: Annotated[tuple[Kind, ...], msgspec.Meta(min_length=1)] = ALL_KINDS
    sends_per_second: Rate | None = None
    sends_per_second_per_chat: Rate | None = None
    sends_per_second_per_group: Rate | None = None
    proxy: str | None = None
    gather_albums: Annotated[float, msgspec.Meta(ge=0.1, le=60)] | None = None


API_URL = "https://api.telegram.org"


def check_address(api_url: str) -> None:
    """Raises InvalidInput without quoting the address, which may hold a password."""
    if api_url == API_URL:
        return
    import httpx  # takes longer to load than everything else that checks settings

    try:
        url = httpx.URL(api_url)
        usable = url.scheme in ("http", "https") and bool(url.host) and not (url.userinfo or url.query or url.fragment)
        usable = usable and (url.port is None or 0 < url.port < 65_536)
    except httpx.InvalidURL:
        usable = False
    if not usable:
        raise InvalidInput(
            "api_url: an http:// or https:// address without user, password or query is needed", field="api_url"
        )


def bot_settings(settings: Mapping[str, Any]) -> BotSettings:
    """Read a session's settings. Raises InvalidInput."""
    try:
        checked = msgspec.convert(dict(settings), BotSettings)
    except msgspec.ValidationError as error:
        raise InvalidInput.from_validation(error, within="settings") from None
    if checked.proxy is not None:
        check_proxy(checked.proxy, "settings.proxy")
    # The server ignores unknown names, and an empty list means its default, which leaves out three kinds.
    if not checked.allowed_updates or not set(checked.allowed_updates) <= set(ALL_KINDS):
        raise InvalidInput(
            f"settings.allowed_updates: one or several of {', '.join(ALL_KINDS)}", field="settings.allowed_updates"
        )
    return checked
