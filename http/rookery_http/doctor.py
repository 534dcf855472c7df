"""`rookery doctor`: looks at the surroundings of a server, running or not, and says what to do about each finding.

It changes nothing: no migration, no session is touched; that a directory can be written is tried with a nameless file. A
server that runs on the same data is no obstacle.
"""

from __future__ import annotations

import os
import resource
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Literal

import msgspec
import trio

from rookery.abilities import Reachable
from rookery.errors import RookeryError, TerminalError
from rookery.memory_facts import container_limit
from rookery.provider import Provider
from rookery.stores.inspection import StoreFacts, inspect_store

from .config import DATABASE, Config, ConfigurationError, load, unknown_variables

Level = Literal["ok", "warning", "error"]

SECONDS = 10.0  # for one look at something that may not answer
FILES_PER_SESSION = 3  # a long poll, a send, and one to spare
FILES_BESIDES = 200  # the store, the API, webhooks
CLOCK_TOLERANCE = 5.0  # seconds; leases and webhook signatures live on it
USUAL_GRACE = {"Kubernetes": 30.0, "a container": 10.0}
"""Seconds between SIGTERM and SIGKILL where nobody chose others."""

DISK_LEAST = 500 * 1024**2  # bytes
NOT_BEFORE = 1_750_000_000.0  # a clock that shows less was never set


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at. `advice` says what to do, empty when there is nothing."""

    subject: str
    level: Level
    detail: str
    advice: str = ""


async def examine(
    environment: Mapping[str, str], providers: Sequence[Provider] | None = None, *, stop_grace: float | None = None
) -> list[Finding]:
    """All findings, in a sensible order. `providers` are those of `rookery serve` unless given; `stop_grace` is what the
    container gives between SIGTERM and SIGKILL, if somebody knows."""
    try:
        config = load()
    except ConfigurationError as error:
        return [
            _bad("configuration", line, "correct the variable; `rookery settings` lists them all")
            for line in error.lines
        ]
    found = [*_configuration(config, environment)]
    facts, of_the_store = await _store(config)
    found += of_the_store
    found.append(await _media(config, facts))
    found += [*_grace(config, environment, stop_grace), *_files(config, facts), *_memory(config)]
    ahead: list[tuple[str, float]] = []
    if facts is not None and facts.clock_ahead is not None:
        ahead.append(("the database", facts.clock_ahead))
    if providers is None:
        from .compose import providers as of_the_server

        providers = of_the_server(config)
    reached: dict[str, Finding] = {}

    async def reach(provider: Reachable) -> None:
        wanted = facts is not None and facts.platforms.get(provider.platform, 0) > 0
        reached[provider.platform] = await _reach(provider, ahead, wanted=wanted)

    async with trio.open_nursery() as nursery:
        for provider in providers:
            if isinstance(provider, Reachable):
                nursery.start_soon(reach, provider)
    found += [reached[name] for name in sorted(reached)]
    return [*found, _clock(ahead)]


def worst(findings: Sequence[Finding]) -> Level:
    """The exit code is made from this."""
    levels = {finding.level for finding in findings}
    return "error" if "error" in levels else "warning" if "warning" in levels else "ok"


def _good(subject: str, detail: str) -> Finding:
    return Finding(subject=subject, level="ok", detail=detail)


def _odd(subject: str, detail: str, advice: str) -> Finding:
    return Finding(subject=subject, level="warning", detail=detail, advice=advice)


def _bad(subject: str, detail: str, advice: str) -> Finding:
    return Finding(subject=subject, level="error", detail=detail, advice=advice)


def _configuration(config: Config, environment: Mapping[str, str]) -> Iterator[Finding]:
    unknown = unknown_variables(environment)
    for line in unknown:
        yield _odd("configuration", line, "correct its name or remove it: nothing reads it")
    if not unknown:
        yield _good("configuration", "every variable can be used")
    if config.api.key is None:
        yield _good("API key", f"none; the API listens on {config.api.host} only")
    elif len(config.api.key) < 16:
        yield _odd("API key", "it is shorter than 16 characters", "set a longer ROOKERY_API_KEY: openssl rand -hex 24")
    else:
        yield _good("API key", "set")


async def _store(config: Config) -> tuple[StoreFacts | None, list[Finding]]:
    found: list[Finding] = []
    usable = True
    if config.database_url is None:
        directory = _directory("data directory", config.data_dir, "ROOKERY_DATA_DIR")
        usable = directory.level != "error"
        found.append(directory)
        found += _unwritable(config.data_dir / DATABASE)
    facts: StoreFacts | None = None
    try:
        with trio.fail_after(SECONDS):
            facts = await inspect_store(config.store, config.secret_key)
    except trio.TooSlowError:
        why = f"no answer within {SECONDS:g} s"
        found.append(_bad("database", why, "is the server of DATABASE_URL up, and does a firewall let us through?"))
    except (RookeryError, OSError) as error:
        found.append(_bad("database", str(error), "see the message; DATABASE_URL and ROOKERY_DATA_DIR say where it is"))
    if facts is not None and (facts.exists or usable):
        found += [_schema(facts), _key(facts, config)]
    return facts, found


def _directory(subject: str, directory: Path, variable: str) -> Finding:
    """Whether it can be made, if need be, and written. Permissions alone do not tell, so something is written there."""
    right = f"give it to the user {os.getuid()}, or set {variable}"
    try:
        here = _nearest(directory)
        if not here.is_dir():
            return _bad(subject, f"{here} is not a directory", f"move it away, or set {variable}")
        if not os.access(here, os.W_OK | os.X_OK):
            return _bad(subject, f"{here} is not writable", right)
        with tempfile.TemporaryFile(dir=here):
            free = shutil.disk_usage(here).free
    except OSError as error:
        return _bad(subject, f"{directory} cannot be used: {error.strerror}", right)
    if free < DISK_LEAST:
        return _odd(
            subject, f"{free / 1024**2:.0f} MiB are free in {here}", "make room: a full disk stops every session"
        )
    return _good(subject, f"{directory} is writable, {free / 1024**3:.1f} GiB free")


def _nearest(directory: Path) -> Path:
    """The directory, or what there is of its path. Raises OSError where it cannot be looked at."""
    for path in (directory.absolute(), *directory.absolute().parents):
        try:
            path.stat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        return path
    return Path(os.sep)


def _unwritable(database: Path) -> Iterator[Finding]:
    """Files that belong to somebody else, as after a start as another user."""
    for ending in ("", "-wal", "-shm", ".lock"):
        path = database.with_name(database.name + ending)
        with suppress(OSError):
            path.stat()
            if not os.access(path, os.R_OK | os.W_OK):
                yield _bad("database", f"{path} is not writable", f"give it to the user {os.getuid()}")


def _schema(facts: StoreFacts) -> Finding:
    if not facts.exists:
        return _good("database", f"{facts.location} is empty; the first start makes the tables")
    if facts.version > facts.newest:
        return _bad(
            "database",
            f"{facts.location} has schema version {facts.version}, this Rookery knows {facts.newest}",
            "use the Rookery that made it, or a newer one",
        )
    used = f", used by {facts.used_by}" if facts.used_by else ""
    older = f" (version {facts.version}; the next start brings it to {facts.newest})"
    return _good(
        "database",
        f"{facts.location}: {facts.enabled} of {facts.sessions} sessions enabled{used}"
        + (older if facts.version < facts.newest else ""),
    )


def _key(facts: StoreFacts, config: Config) -> Finding:
    if facts.key_fits is False:
        return _bad(
            "secret key",
            "it is not the one that the stored secrets were encrypted with",
            "put the old key (or key file) back; to change keys set ROOKERY_SECRET_KEY=NEW,OLD",
        )
    if config.secret_key is None:
        where = "beside the database"
        return _odd("secret key", f"it lies in a file {where}", "keep a copy elsewhere: without it the tokens are lost")
    return _good("secret key", "it fits" if facts.key_fits else "set; nothing is encrypted yet")


async def _media(config: Config, facts: StoreFacts | None) -> Finding:
    """Where files are kept: reachable, and by every instance."""
    subject = "media"
    try:
        storage = config.media.storage(config.data_dir)
        if config.media.shared:
            with trio.fail_after(SECONDS):
                async with storage.open(), aclosing(storage.older_than(0.0)) as pages:
                    await anext(pages, None)
            return _good(subject, f"{storage.location} answers")
    except trio.TooSlowError:
        return _bad(subject, f"{config.media.place} gave no answer within {SECONDS:g} s", "see ROOKERY_S3_ENDPOINT")
    except (RookeryError, OSError) as error:
        return _bad(subject, str(error), "see ROOKERY_MEDIA and the ROOKERY_S3_... variables")
    directory = _directory(subject, Path(config.media.place), "ROOKERY_MEDIA")
    if directory.level == "error":
        return directory
    used_by = (facts.used_by if facts is not None else None) or ""
    if used_by.endswith(" instances") and used_by != "1 instances":
        return _odd(
            subject,
            f"{storage.location}, and {used_by} share the database",
            "mount this directory on all of them, or set ROOKERY_MEDIA=s3://bucket/prefix: otherwise none can read what "
            "another has stored",
        )
    return _good(
        subject, f"{storage.location}" + (": for one instance, or mounted on all" if config.database_url else "")
    )


def _grace(config: Config, environment: Mapping[str, str], given: float | None) -> Iterator[Finding]:
    grace = config.engine.shutdown_grace + config.api.drain
    if given is not None:
        place, usual = "the container", given
    elif "KUBERNETES_SERVICE_HOST" in environment:
        place, usual = "Kubernetes", USUAL_GRACE["Kubernetes"]
    elif Path("/.dockerenv").exists() or Path("/run/.containerenv").exists():
        place, usual = "a container", USUAL_GRACE["a container"]
    else:
        yield _good("shutdown", f"{grace:g} s of grace; whatever stops this process has to wait longer (--stop-grace)")
        return
    if grace < usual:
        yield _good("shutdown", f"{grace:g} s of grace; {place} waits {usual:g} s")
    else:
        yield _bad(
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
        yield _good("open files", f"the limit is {soft}: enough for {room} sessions")
        return
    how = "ulimit -n" if hard == resource.RLIM_INFINITY or hard >= needed else "LimitNOFILE= or --ulimit nofile="
    yield _bad(
        "open files", f"{sessions} sessions need about {needed} and the limit is {soft}", f"raise it: {how} {needed}"
    )


def _memory(config: Config) -> Iterator[Finding]:
    container = container_limit()
    limit = config.engine.memory_limit
    if container is not None and container < limit:
        yield _odd(
            "memory",
            f"the container has {container / 1024**2:.0f} MiB, ROOKERY_MEMORY_LIMIT says {limit / 1024**2:.0f}",
            "the lower one counts; set ROOKERY_MEMORY_LIMIT so that nobody is surprised",
        )
    else:
        yield _good("memory", f"up to {limit / 1024**2:.0f} MiB for all processes together")


async def _reach(provider: Reachable, ahead: list[tuple[str, float]], *, wanted: bool) -> Finding:
    """An error only where sessions are waiting for it (`wanted`)."""
    subject = provider.platform
    network = "look at the network, the proxy, the firewall, the DNS"
    wrong = _bad if wanted else _odd
    try:
        with trio.fail_after(SECONDS):
            reached = await provider.reach()
    except trio.TooSlowError:
        return wrong(subject, f"no answer within {SECONDS:g} s", network)
    except TerminalError as error:
        return wrong(subject, str(error), "do what it says" if wanted else "needed for sessions of this platform only")
    except RookeryError as error:
        return wrong(subject, str(error), network)
    if reached.clock_ahead is not None:
        ahead.append((subject, reached.clock_ahead))
    return _good(subject, reached.detail)


def _clock(ahead: Sequence[tuple[str, float]]) -> Finding:
    if time.time() < NOT_BEFORE:
        return _bad(
            "clock", f"it shows {time.strftime('%Y-%m-%d %H:%M', time.gmtime())}", "set it, and run an NTP client"
        )
    far = [(name, seconds) for name, seconds in ahead if abs(seconds) > CLOCK_TOLERANCE]
    if far:
        told = ", ".join(f"{name} is {abs(s):.0f} s {'ahead' if s > 0 else 'behind'}" for name, s in far)
        return _bad("clock", f"{told} of this machine", "run an NTP client on both")
    return _good("clock", "agrees with " + ", ".join(name for name, _ in ahead) if ahead else "set")
