"""`rookery doctor`: checks the environment of a server, running or not, and says what to do about each finding.

It changes nothing: it runs no migration and touches no session; it tests that a directory is writable with an unnamed
file. A server may run on the same data meanwhile.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path

import trio

from rookery import Engine
from rookery.background.memory_reading import container_limit
from rookery.errors import RookeryError, TerminalError
from rookery.model.session import Session, SessionQuery
from rookery.provider.capabilities import Reachable, ReachableBy, Reached
from rookery.provider.contract import Provider
from rookery.store.inspection import StoreFacts

from ..config.load import Config, ConfigurationError, load, unknown_variables
from ..config.settings import ApiSettings, LogSettings, PlatformSettings
from ..config.storage import StorageSettings
from .doctor_storage import look_at_media, look_at_store
from .finding import SECONDS, Finding, bad, good, odd

FILES_PER_SESSION = 3  # a long poll, a send, and one spare
FILES_BESIDES = 200  # the store, the API, webhooks
CLOCK_TOLERANCE = 5.0  # seconds; leases and webhook signatures live on it
USUAL_GRACE = {"Kubernetes": 30.0, "a container": 10.0}
"""Default seconds between SIGTERM and SIGKILL."""

MAX_SESSIONS, MAX_WAYS = 1000, 20
"""Maximum number of sessions that are checked for proxies of their own, and of proxies that are tried."""

NOT_BEFORE = 1_750_000_000.0  # a clock that shows an earlier time was never set to the right one


async def examine(
    environment: Mapping[str, str],
    providers: Callable[[Config], Sequence[Provider]],
    *,
    stop_grace: float | None = None,
) -> list[Finding]:
    """All findings, in a sensible order. `providers` makes the platforms of the server from its settings; `stop_grace` is the
    time in seconds that the container gives between SIGTERM and SIGKILL, if known."""
    try:
        config = load()
    except ConfigurationError as error:
        return [
            bad("configuration", line, "correct the variable; `rookery settings` lists them all")
            for line in error.lines
        ]
    return await _examined(config, environment, providers(config), stop_grace)


async def examine_running(engine: Engine, config: Config | None, settings: ApiSettings) -> list[Finding]:
    """The same findings about the server that this process is, with what the engine itself warns of.

    Without `config`, which only `rookery serve` has, storage and variables are left out.
    """
    warnings = [odd("engine", text, "") for text in engine.health_here().warnings]
    alone = config or Config(
        api=settings,
        engine=engine.settings,
        storage=StorageSettings(),
        platforms=PlatformSettings(),
        logs=LogSettings(),
    )
    platforms = list(engine.providers.values())
    found = await _examined(alone, os.environ, platforms, None, stored=config is not None)
    return [*warnings, *found, *await _ways(engine)]


async def _ways(engine: Engine) -> list[Finding]:
    """Check the sessions' own ways to their platform, such as proxies: each way once, and only the first ones."""
    ways: dict[tuple[str, str], tuple[ReachableBy, list[Session]]] = {}
    for session in await engine.list_sessions(SessionQuery(enabled=True, limit=MAX_SESSIONS)):
        platform = engine.providers.get(session.platform)
        if isinstance(platform, ReachableBy) and (way := platform.way_of(session.settings)) is not None:
            ways.setdefault((session.platform, way), (platform, []))[1].append(session)
    found: dict[str, Finding] = {}

    async def reach(provider: ReachableBy, sessions: list[Session]) -> None:
        more = f" and {len(sessions) - 1} more" if len(sessions) > 1 else ""
        subject = f"{provider.platform}, session {sessions[0].id}{more}"
        found[subject] = await _reach(subject, lambda: provider.reach_by(sessions[0].settings), [], wanted=True)

    async with trio.open_nursery() as nursery:
        for provider, sessions in list(ways.values())[:MAX_WAYS]:
            nursery.start_soon(reach, provider, sessions)
    return [found[subject] for subject in sorted(found)]


async def _examined(
    config: Config,
    environment: Mapping[str, str],
    providers: Sequence[Provider],
    stop_grace: float | None,
    *,
    stored: bool = True,
) -> list[Finding]:
    found: list[Finding] = []
    facts: StoreFacts | None = None
    if stored:
        found += _configuration(config, environment)
        facts, of_the_store = await look_at_store(config)
        found += of_the_store
        found.append(await look_at_media(config, facts))
    found += [*_grace(config, environment, stop_grace), *_files(config, facts), *_memory(config)]
    ahead: list[tuple[str, float]] = []
    if facts is not None and facts.clock_ahead is not None:
        ahead.append(("the database", facts.clock_ahead))
    reached: dict[str, Finding] = {}

    async def reach(provider: Reachable) -> None:
        wanted = facts is not None and facts.platforms.get(provider.platform, 0) > 0
        reached[provider.platform] = await _reach(provider.platform, provider.reach, ahead, wanted=wanted)

    async with trio.open_nursery() as nursery:
        for provider in providers:
            if isinstance(provider, Reachable):
                nursery.start_soon(reach, provider)
    found += [reached[name] for name in sorted(reached)]
    return [*found, _clock(ahead)]


def _configuration(config: Config, environment: Mapping[str, str]) -> Iterator[Finding]:
    unknown = unknown_variables(environment)
    for line in unknown:
        yield odd("configuration", line, "correct its name or remove it: nothing reads it")
    if not unknown:
        yield good("configuration", "every variable can be used")
    if config.api.key is None:
        yield good("API key", f"none; the API listens on {config.api.host} only")
    elif len(config.api.key) < 16:
        yield odd("API key", "it is shorter than 16 characters", "set a longer ROOKERY_API_KEY: openssl rand -hex 24")
    else:
        yield good("API key", "set")


def _grace(config: Config, environment: Mapping[str, str], given: float | None) -> Iterator[Finding]:
    grace = config.engine.shutdown_grace + config.api.drain
    if given is not None:
        place, usual = "the container", given
    elif "KUBERNETES_SERVICE_HOST" in environment:
        place, usual = "Kubernetes", USUAL_GRACE["Kubernetes"]
    elif Path("/.dockerenv").exists() or Path("/run/.containerenv").exists():
        place, usual = "a container", USUAL_GRACE["a container"]
    else:
        yield good("shutdown", f"{grace:g} s of grace; whatever stops this process has to wait longer (--stop-grace)")
        return
    if grace < usual:
        yield good("shutdown", f"{grace:g} s of grace; {place} waits {usual:g} s")
    else:
        yield bad(
            "shutdown",
            f"ROOKERY_SHUTDOWN_GRACE is {grace:g} s, but {place} kills after {usual:g} s"
            + ("" if given else " by default"),
            "lower it, or raise stop_grace_period (compose) or terminationGracePeriodSeconds (Kubernetes); then tell "
            "`rookery doctor --stop-grace SECONDS`",
        )


def _files(config: Config, facts: StoreFacts | None) -> Iterator[Finding]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    sessions = max(facts.enabled if facts else 0, config.engine.max_concurrent_sessions or 0)
    needed = FILES_BESIDES + FILES_PER_SESSION * sessions
    if soft == resource.RLIM_INFINITY or soft >= needed:
        room = "any number of" if soft == resource.RLIM_INFINITY else str((soft - FILES_BESIDES) // FILES_PER_SESSION)
        yield good("open files", f"the limit is {soft}: enough for {room} sessions")
        return
    how = "ulimit -n" if hard == resource.RLIM_INFINITY or hard >= needed else "LimitNOFILE= or --ulimit nofile="
    yield bad(
        "open files", f"{sessions} sessions need about {needed} and the limit is {soft}", f"raise it: {how} {needed}"
    )


def _memory(config: Config) -> Iterator[Finding]:
    container = container_limit()
    limit = config.engine.memory_limit
    if container is not None and container < limit:
        yield odd(
            "memory",
            f"the container has {container / 1024**2:.0f} MiB, ROOKERY_MEMORY_LIMIT says {limit / 1024**2:.0f}",
            "the lower limit applies; set ROOKERY_MEMORY_LIMIT to make it explicit",
        )
    else:
        yield good("memory", f"up to {limit / 1024**2:.0f} MiB for all processes together")


async def _reach(
    subject: str, reach: Callable[[], Awaitable[Reached]], ahead: list[tuple[str, float]], *, wanted: bool
) -> Finding:
    """Check that the platform is reachable; a failure is an error only where sessions need it (`wanted`)."""
    network = "look at the network, the proxy, the firewall, the DNS"
    wrong = bad if wanted else odd
    try:
        with trio.fail_after(SECONDS):
            reached = await reach()
    except trio.TooSlowError:
        return wrong(subject, f"no answer within {SECONDS:g} s", network)
    except TerminalError as error:
        return wrong(subject, str(error), "do what it says" if wanted else "needed for sessions of this platform only")
    except RookeryError as error:
        return wrong(subject, str(error), network)
    if reached.clock_ahead is not None:
        ahead.append((subject, reached.clock_ahead))
    return good(subject, reached.detail)


def _clock(ahead: Sequence[tuple[str, float]]) -> Finding:
    if time.time() < NOT_BEFORE:
        return bad(
            "clock", f"it shows {time.strftime('%Y-%m-%d %H:%M', time.gmtime())}", "set it, and run an NTP client"
        )
    far = [(name, seconds) for name, seconds in ahead if abs(seconds) > CLOCK_TOLERANCE]
    if far:
        told = ", ".join(f"{name} is {abs(s):.0f} s {'ahead' if s > 0 else 'behind'}" for name, s in far)
        return bad("clock", f"{told} of this machine", "run an NTP client on both")
    return good("clock", "agrees with " + ", ".join(name for name, _ in ahead) if ahead else "set")
