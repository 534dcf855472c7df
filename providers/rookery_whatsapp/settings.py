"""Settings of all workers, and of one account."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

from rookery.errors import InvalidInput
from rookery.provider.pacer import Rate
from rookery.provider.proxy import check_proxy as check_address

PROXY_SCHEMES = ("http", "https", "socks5")


class WorkerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds unless the name says otherwise."""

    sessions_per_worker: int = 10
    beat: float = 0.5
    silence: float = 4.0  # a worker without a heartbeat for this long counts as hanging and is killed
    engine_silence: float = 60.0  # a worker that hears nothing from the engine for this long ends itself
    loading: float = 45.0  # from the start of the process to its first frame
    idle: float = 30.0  # how long an empty worker stays for the next session
    farewell: float = 2.0  # from the request to end to the kill
    most_leftovers: int = 40  # ended clients after which a worker gets no new ones: the library never frees all memory
    connecting: float = 45.0  # from the start of a stored client to its login
    restarting: float = 5.0  # from a pairing to the login; after that the client is replaced
    pairing: float = 75.0  # without a new QR code
    qr_rounds: int = 5
    watch: float = 5.0  # between checks whether a client is logged in
    zombie: float = 15.0  # a client connected but not logged in for this long is restarted
    offline: float = 120.0  # a client that the library has not reconnected for this long is restarted
    closing: float = 1.9  # within the engine's `link_close_timeout`
    media_timeout: float = 60.0
    largest_media: int = 32 * 1024 * 1024  # bytes
    ca_bundle: str | None = None  # a PEM file of certificate authorities to trust in addition to the system's
    allow_private_urls: bool = True  # files to send may be fetched from private addresses


class AccountSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`Session.settings` of an account; every field is optional.

    `allow_rebind`: a different account may scan the QR code. `takeover`: when another program uses the same device,
    take it back after 5 seconds instead of a minute. `proxy`: http://, https:// or socks5://, for all traffic of the account.
    `reject_calls`: reject every call. `check_recipients`: before the first message to a number, ask whether it exists.
    `when_limited`: whether a message to a stranger fails or waits while WhatsApp lets the account write only to people it
    knows; a waiting message is tried again until it expires.
    `history`: how much of the phone's history becomes events after the next pairing: none, the months that the phone
    sends to every device, or everything.
    `statuses`: status broadcasts of other people become events.
    `new_chats_per_day`: during the first `warm_up_days` after linking, how many chats without earlier messages the account
    may begin on a day (UTC); 0 for no limit. `warm_up_days`: how long that holds after linking.
    `presence`: appear online or offline once connected. `sends_per_second`: messages a second in total, 0 for no limit.
    `sends_per_second_per_chat`: messages a second to one chat, 0 for no limit.
    """

    allow_rebind: bool = False
    takeover: bool = False
    proxy: str | None = None
    presence: Literal["available", "unavailable"] | None = None
    reject_calls: bool = False
    check_recipients: bool = False
    statuses: bool = True
    new_chats_per_day: Annotated[int, msgspec.Meta(ge=0, le=100_000)] = 0
    warm_up_days: Annotated[int, msgspec.Meta(ge=0, le=365)] = 14
    history: Literal["none", "recent", "full"] = "none"
    when_limited: Literal["fail", "wait"] = "fail"
    sends_per_second: Rate = 5.0
    sends_per_second_per_chat: Rate = 1.0


def account_settings(settings: Mapping[str, Any]) -> AccountSettings:
    """Raises InvalidInput."""
    try:
        account = msgspec.convert(dict(settings), AccountSettings)
    except msgspec.ValidationError as error:
        raise InvalidInput.from_validation(error, within="settings") from None
    if account.proxy is not None:
        check_proxy(account.proxy, "settings.proxy")
    return account


def check_proxy(proxy: str, field: str) -> str:
    """Raises InvalidInput; its message never holds the address, which may hold a password."""
    return check_address(proxy, field, PROXY_SCHEMES)
