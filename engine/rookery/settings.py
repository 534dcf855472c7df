"""Every interval, deadline and threshold of the engine: its meaning, unit, bounds and default, in one place.

The check here, the variables of the server, `rookery doctor` and `docs/settings.md` all read these declarations.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from .declaring import count, declarations, seconds, setting, share, size, switch
from .errors import InvalidInput


class EngineSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Given to `open_engine`."""

    # Limits
    max_concurrent_sessions: (
        Annotated[int, count("Maximum number of sessions that may be enabled at once; none: no limit.")] | None
    ) = None
    max_pending_sends: Annotated[
        int, count("How many sends may wait per session; the next one is refused with 429.")
    ] = 1000
    max_event_backlog: Annotated[
        int,
        count(
            "How many events of a session may wait for a webhook before its receiving pauses; 0: no limit.",
            least=0,
        ),
    ] = 100_000
    auto_cleanup_on_logout: Annotated[
        bool, switch("Release the dead credentials and disable the session after a logout.")
    ] = True

    # Deadlines
    shutdown_grace: Annotated[
        float, seconds("How long the whole graceful shutdown may take; keep it below the container's stop timeout.")
    ] = 8.0
    startup_timeout: Annotated[float, seconds("How long a session may take to connect.")] = 60.0
    link_close_timeout: Annotated[float, seconds("How long a session's connection may take to close cleanly.")] = 2.0
    store_timeout: Annotated[float, seconds("How long the database may take for one write.")] = 5.0
    send_timeout: Annotated[float, seconds("How long the platform may take to answer one send.")] = 30.0
    logout_settle: Annotated[
        float, seconds("How long to wait between noticing a logout and cleaning up.", least=0.0)
    ] = 3.0
    logout_timeout: Annotated[float, seconds("How long a logout, or the clean-up after one, may take.")] = 5.0

    # Starting
    start_concurrency: Annotated[
        int, count("How many sessions connect at the same time, and how many more reconnect after a failure.")
    ] = 32
    start_stagger: Annotated[float, seconds("Pause between the starts of two sessions.", least=0.0)] = 0.002
    recovery_interval: Annotated[float, seconds("Pause between two searches for enabled sessions that do not run.")] = (
        60.0
    )
    cleaner_interval: Annotated[float, seconds("Pause between two releases of resources of ended sessions.")] = 300.0

    # Health (A5, G1, G2)
    health_warmup: Annotated[float, seconds("How long health checks wait after a start.", least=0.0)] = 15.0
    health_interval: Annotated[float, seconds("Pause between two quick health checks.")] = 30.0
    deep_check_interval: Annotated[
        float,
        seconds(
            "Pause between two probes of each session. One whose other traffic is answered is probed a tenth as often."
        ),
    ] = 120.0
    probe_timeout: Annotated[float, seconds("How long a session may take to answer a probe.")] = 30.0
    probe_failures: Annotated[int, count("How many probes in a row must fail before a session is restarted.")] = 3

    # Memory (G4)
    memory_interval: Annotated[float, seconds("Pause between two memory checks.")] = 300.0
    memory_limit: Annotated[
        int, size("Memory limit of the whole process tree; the container's own limit counts if it is lower.")
    ] = 2 * 1024**3
    memory_worker_limit: Annotated[int, size("Memory limit of one WhatsApp worker process.")] = 500 * 1024**2
    memory_warning: Annotated[float, share("Share of a memory limit at which a warning is logged.")] = 0.8
    memory_critical: Annotated[
        float, share("Share of a memory limit at which the largest worker or session is restarted.")
    ] = 0.95
    memory_trend_window: Annotated[
        int, count("Number of samples from which the growth of memory is computed.", least=6)  # a slope needs that many
    ] = 24

    # Reconnecting (B2, B3)
    backoff_network: Annotated[float, seconds("First delay after a network failure.", least=0.0)] = 5.0
    backoff_server_error: Annotated[
        float, seconds("First delay after an error of the platform's server.", least=0.0)
    ] = 5.0
    backoff_rate_limit: Annotated[
        float, seconds("First delay after a rate limit for which the platform names no delay.", least=0.0)
    ] = 5.0
    backoff_conflict: Annotated[float, seconds("First delay when another client uses the same account.", least=0.0)] = (
        60.0
    )
    backoff_internal_error: Annotated[float, seconds("First delay after a bug.", least=0.0)] = 5.0
    backoff_factor: Annotated[
        float,
        setting(
            "Each further delay is longer by this factor.",
            right="a number, 1 or more",
            unit="factor",
            ge=1.0,
            le=1e6,
        ),
    ] = 1.5
    backoff_max: Annotated[float, seconds("Longest delay, without jitter.", least=0.0)] = 300.0
    backoff_jitter: Annotated[
        float, seconds("Upper bound of the random time that is added to each delay.", least=0.0)
    ] = 5.0
    reconnect_attempts: Annotated[
        int,
        count(
            "After how many failures in a row a session gives up; outages of the network or the platform do not count."
        ),
    ] = 20
    stable_after: Annotated[
        float, seconds("How long a session must stay connected before its failures are forgotten.", least=0.0)
    ] = 60.0
    reconnect_stagger: Annotated[
        float, seconds("Pause between two reconnects after failures, over all sessions together.", least=0.0)
    ] = 0.02

    # Leases, on a shared store
    lease_ttl: Annotated[
        float,
        seconds("How long a session's lease on a shared database lasts; a crashed instance's sessions move after it."),
    ] = 15.0
    lease_renew_interval: Annotated[float, seconds("Pause between two renewals of the leases.")] = 4.0
    lease_margin: Annotated[float, seconds("How long before its lease ends an instance stops using it.", least=0.0)] = (
        2.0
    )
    cluster_poll_interval: Annotated[
        float, seconds("How long a lost notification from the database may go unnoticed.")
    ] = 3.0
    claim_patience: Annotated[
        float,
        seconds("How long a session must stay unclaimed before an instance takes it beyond its own share.", least=0.0),
    ] = 0.5
    rebalance_interval: Annotated[
        float, seconds("Pause between two steps of levelling the numbers of sessions per instance.")
    ] = 5.0
    rebalance_batch: Annotated[
        int, count("How many sessions an instance hands over in one levelling step.", least=0)
    ] = 20
    drain_timeout: Annotated[float, seconds("How long `drain` may take to hand everything over.")] = 60.0
    call_timeout: Annotated[
        float, seconds("How long another instance may take to answer a call about a session that it runs.")
    ] = 10.0

    clock_skew_limit: Annotated[
        float,
        seconds(
            "Difference to the database's clock beyond which an instance leaves its duties to others. On SQLite: a jump "
            "forward of the machine's clock after which nothing is deleted by age for a day.",
            least=0.0,
        ),
    ] = 30.0

    # Outbound
    message_ttl: Annotated[float, seconds("How long a send may wait to leave before it expires.")] = 86_400.0
    message_retention: Annotated[float, seconds("How long finished sends can be looked up.", least=0.0)] = 7 * 86_400.0
    status_events: Annotated[
        bool,
        switch(
            "Write a `message.status` event for the final state of each send; subscribers that name this type receive it. "
            "`false` saves one row per send, and webhooks that name the type receive the events anyway."
        ),
    ] = True

    # Files
    media_max_size: Annotated[int, size("Largest file that is uploaded or fetched.")] = 100 * 1024**2
    media_types: (
        Annotated[
            str,
            setting(
                "Content types that may be uploaded, such as `image/*,application/pdf`; none: all.",
                right="content types such as image/*,application/pdf",
                pattern=r"^\s*(\*|[^\s/,;]+/[^\s/,;]+)(\s*,\s*(\*|[^\s/,;]+/[^\s/,;]+))*\s*,?\s*$",
            ),
        ]
        | None
    ) = None
    media_retention: Annotated[
        float, seconds("How long files are kept; a file that a waiting message needs is kept longer.", least=0.0)
    ] = 7 * 86_400.0
    media_timeout: Annotated[
        float, seconds("How long it may take to fetch a file from its platform, or to send one there.")
    ] = 120.0
    media_stray_age: Annotated[
        float,
        seconds(
            "Age at which stored bytes without a row are removed; keep it longer than the longest upload.", least=0.0
        ),
    ] = 3600.0
    media_fetch: (
        Annotated[
            str,
            setting(
                "Kinds of received files to fetch automatically: `all`, or some of image, video, audio, voice, document, "
                "sticker; none: only on request.",
                right="text",
            ),
        ]
        | None
    ) = None
    media_fetch_max_size: Annotated[int, size("Largest file that is fetched automatically.")] = 20 * 1024**2
    media_fetch_concurrency: Annotated[int, count("How many files are fetched at the same time.")] = 4
    media_fetch_attempts: Annotated[int, count("Maximum number of attempts to fetch a file, with growing delays.")] = 5

    # Keys
    audit_retention: Annotated[float, seconds("How long entries of the audit log are kept.", least=0.0)] = 30 * 86_400.0
    audit_entries: Annotated[int, count("Maximum number of entries in the audit log.", least=0)] = 100_000

    # Events and webhooks
    event_retention: Annotated[float, seconds("How long events stay in the log.", least=0.0)] = 7 * 86_400.0
    prune_interval: Annotated[float, seconds("Pause between two deletions of data past its retention.")] = 300.0
    webhook_timeout: Annotated[float, seconds("How long an endpoint may take to answer a delivery.")] = 15.0
    webhook_concurrency: Annotated[
        int, count("How many deliveries run at once per endpoint, each to a different chat.")
    ] = 16
    webhook_attempts: Annotated[int, count("How many attempts are made before a delivery becomes a dead letter.")] = 12
    webhook_backoff: Annotated[
        float, seconds("First delay after a failed delivery; each further one is three times as long.", least=0.0)
    ] = 1.0
    webhook_backoff_max: Annotated[float, seconds("Longest delay between two attempts to deliver.", least=0.0)] = (
        86_400.0
    )
    webhook_secret_grace: Annotated[
        float, seconds("How long the previous secret also signs after a rotation.", least=0.0)
    ] = 86_400.0
    webhook_allow_private: Annotated[
        bool,
        switch(
            "Deliver to addresses outside the public internet (this machine, private networks), and fetch files to send "
            "from there.",
            shown_default="`true` while the API listens on loopback, otherwise `false`",
        ),
    ] = True
    ca_bundle: (
        Annotated[
            str,
            setting(
                "PEM file of certificate authorities to trust beside the system's, such as a private one: for webhooks, the "
                "Bot API, S3 and files to send.",
                right="a PEM file with certificates",
            ),
        ]
        | None
    ) = None
    backlog_interval: Annotated[float, seconds("Pause between two counts of the events that wait for webhooks.")] = 5.0


def check_settings(settings: EngineSettings) -> None:
    """Raises InvalidInput for the first setting that is out of bounds."""
    for name, (hint, declared) in declarations(EngineSettings).items():
        value = getattr(settings, name)
        try:
            msgspec.convert(value, hint)
        except msgspec.ValidationError:
            right = (declared.extra or {})["right"]
            raise InvalidInput(f"settings: {name} is {value}, and {right} is needed", field=name) from None
