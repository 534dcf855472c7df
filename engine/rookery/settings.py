"""Every interval, deadline and threshold of the engine, with its default. Seconds unless the name says otherwise."""

from __future__ import annotations

import msgspec

from .errors import InvalidInput


class EngineSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Given to `open_engine`; `rookery serve` fills it from `ROOKERY_...` variables of the same names."""

    # Limits
    max_concurrent_sessions: int | None = None
    max_pending_sends: int = 1000  # per session
    max_event_backlog: int = 100_000  # undelivered events of a session; then its receiving pauses. 0: no limit
    auto_cleanup_on_logout: bool = True

    # Deadlines
    shutdown_grace: float = 8.0
    startup_timeout: float = 60.0
    link_close_timeout: float = 2.0
    store_timeout: float = 5.0
    send_timeout: float = 30.0
    logout_settle: float = 3.0
    logout_timeout: float = 5.0

    # Starting
    start_concurrency: int = 32
    start_stagger: float = 0.002
    recovery_interval: float = 60.0
    cleaner_interval: float = 300.0

    # Health (A5, G1, G2)
    health_warmup: float = 15.0
    health_interval: float = 30.0
    deep_check_interval: float = 120.0
    probe_timeout: float = 30.0
    probe_failures: int = 3  # in a row, then the session is restarted

    # Memory (G4); bytes
    memory_interval: float = 300.0
    memory_limit: int = 2 * 1024**3  # in total, or the container's limit if that is lower
    memory_worker_limit: int = 500 * 1024**2
    memory_warning: float = 0.8  # of a limit
    memory_critical: float = 0.95
    memory_trend_window: int = 24  # samples that the growth is computed from

    # Reconnecting (B2, B3)
    backoff_network: float = 5.0
    backoff_server_error: float = 5.0
    backoff_rate_limit: float = 5.0
    backoff_conflict: float = 60.0
    backoff_internal_error: float = 5.0
    backoff_factor: float = 1.5
    backoff_max: float = 300.0
    backoff_jitter: float = 5.0
    reconnect_attempts: int = 20
    stable_after: float = 60.0
    reconnect_stagger: float = 0.02

    # Leases, on a shared store
    lease_ttl: float = 15.0
    lease_renew_interval: float = 4.0
    lease_margin: float = 2.0
    cluster_poll_interval: float = 3.0  # how long a lost notification goes unnoticed
    claim_patience: float = 0.5  # what nobody has claimed for so long is taken beyond one's share
    rebalance_interval: float = 5.0
    rebalance_batch: int = 20  # sessions handed over per interval
    drain_timeout: float = 60.0
    call_timeout: float = 10.0  # for another instance to do what it was asked for
    clock_skew_limit: float = 30.0  # an instance whose clock is more wrong leaves duties to the others

    # Outbound
    message_ttl: float = 86_400.0
    message_retention: float = 7 * 86_400.0
    status_events: bool = True

    # Files
    media_max_size: int = 100 * 1024**2  # bytes
    media_types: str | None = None  # content types that may be uploaded, as "image/*,application/pdf"; None: all
    media_retention: float = 7 * 86_400.0
    media_timeout: float = 120.0  # for a file to be fetched from its platform, or to be sent there
    media_stray_age: float = 3600.0
    media_fetch: str | None = None  # kinds of received files that are fetched by themselves, as "image,voice", or "all"
    media_fetch_max_size: int = 20 * 1024**2  # bytes
    media_fetch_concurrency: int = 4
    media_fetch_attempts: int = 5

    # Keys
    audit_retention: float = 30 * 86_400.0
    audit_entries: int = 100_000

    # Events and webhooks
    event_retention: float = 7 * 86_400.0
    prune_interval: float = 300.0
    webhook_timeout: float = 15.0
    webhook_concurrency: int = 16  # per endpoint
    webhook_attempts: int = 12
    webhook_backoff: float = 1.0
    webhook_backoff_max: float = 86_400.0
    webhook_secret_grace: float = 86_400.0  # how long the secret before a rotation signs too
    webhook_allow_private: bool = True  # `rookery serve` says no when others can reach its API
    backlog_interval: float = 5.0


AT_LEAST_ONE = frozenset({"start_concurrency", "webhook_concurrency", "media_fetch_concurrency"})
"""Without one of these nothing would ever happen, and nobody would be told why."""


def check_settings(settings: EngineSettings) -> None:
    """Raises InvalidInput for the first number that cannot be meant so: none of them may be negative."""
    for field in msgspec.structs.fields(EngineSettings):
        value = getattr(settings, field.name)
        least = 1 if field.name in AT_LEAST_ONE else 0
        if isinstance(value, int | float) and not value >= least:  # not a number is not enough either
            raise InvalidInput(f"settings: {field.name} is {value}, and at least {least} is needed", field=field.name)
