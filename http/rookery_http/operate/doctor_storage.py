"""The doctor's checks of storage: the database and its key, directories, and where files are kept."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import aclosing, suppress
from pathlib import Path

import trio

from rookery.errors import RookeryError
from rookery.store.inspection import StoreFacts
from rookery.store.open import inspect_store

from ..config.load import Config
from ..config.storage import DATABASE
from .finding import SECONDS, Finding, bad, good, odd

DISK_LEAST = 500 * 1024**2  # bytes


async def look_at_store(config: Config) -> tuple[StoreFacts | None, list[Finding]]:
    """Check the database, its directory and its key; returns the store's facts if it could be read."""
    found: list[Finding] = []
    usable = True
    if config.storage.database_url is None:
        directory = _directory("data directory", config.storage.directory, "ROOKERY_DATA_DIR")
        usable = directory.level != "error"
        found.append(directory)
        found += _unwritable(config.storage.directory / DATABASE)
    facts: StoreFacts | None = None
    try:
        with trio.fail_after(SECONDS):
            facts = await inspect_store(config.storage.store, config.storage.secret_key)
    except trio.TooSlowError:
        why = f"no answer within {SECONDS:g} s"
        found.append(bad("database", why, "is the server of DATABASE_URL up, and does a firewall let us through?"))
    except (RookeryError, OSError) as error:
        found.append(bad("database", str(error), "see the message; DATABASE_URL and ROOKERY_DATA_DIR say where it is"))
    if facts is not None and (facts.exists or usable):
        found += [_schema(facts), _key(facts, config)]
    return facts, found


def _directory(subject: str, directory: Path, variable: str) -> Finding:
    """Check that the directory can be created if missing, and written. Permissions prove nothing: write a file
    there."""
    right = f"give it to the user {os.getuid()}, or set {variable}"
    try:
        here = _nearest(directory)
        if not here.is_dir():
            return bad(subject, f"{here} is not a directory", f"move it away, or set {variable}")
        if not os.access(here, os.W_OK | os.X_OK):
            return bad(subject, f"{here} is not writable", right)
        with tempfile.TemporaryFile(dir=here):
            free = shutil.disk_usage(here).free
    except OSError as error:
        return bad(subject, f"{directory} cannot be used: {error.strerror}", right)
    if free < DISK_LEAST:
        return odd(
            subject, f"{free / 1024**2:.0f} MiB are free in {here}", "make room: a full disk stops every session"
        )
    return good(subject, f"{directory} is writable, {free / 1024**3:.1f} GiB free")


def _nearest(directory: Path) -> Path:
    """The directory, or its nearest existing parent. Raises OSError when that cannot be read."""
    for path in (directory.absolute(), *directory.absolute().parents):
        try:
            path.stat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        return path
    return Path(os.sep)


def _unwritable(database: Path) -> Iterator[Finding]:
    """Files that this user cannot write, for example after a start as another user."""
    for ending in ("", "-wal", "-shm", ".lock"):
        path = database.with_name(database.name + ending)
        with suppress(OSError):
            path.stat()
            if not os.access(path, os.R_OK | os.W_OK):
                yield bad("database", f"{path} is not writable", f"give it to the user {os.getuid()}")


def _schema(facts: StoreFacts) -> Finding:
    if not facts.exists:
        return good("database", f"{facts.location} is empty; the first start makes the tables")
    if facts.version > facts.newest:
        return bad(
            "database",
            f"{facts.location} has schema version {facts.version}, this Rookery knows {facts.newest}",
            "use the Rookery that made it, or a newer one",
        )
    used = f", used by {facts.used_by}" if facts.used_by else ""
    older = f" (version {facts.version}; the next start brings it to {facts.newest})"
    return good(
        "database",
        f"{facts.location}: {facts.enabled} of {facts.sessions} sessions enabled{used}"
        + (older if facts.version < facts.newest else ""),
    )


def _key(facts: StoreFacts, config: Config) -> Finding:
    if facts.key_fits is False:
        return bad(
            "secret key",
            "it is not the one that the stored secrets were encrypted with",
            "put the old key (or key file) back; to change keys set ROOKERY_SECRET_KEY=NEW,OLD",
        )
    if config.storage.secret_key is None:
        where = "beside the database"
        return odd("secret key", f"it lies in a file {where}", "keep a copy elsewhere: without it the tokens are lost")
    return good("secret key", "it fits" if facts.key_fits else "set; nothing is encrypted yet")


async def look_at_media(config: Config, facts: StoreFacts | None) -> Finding:
    """Check that the storage of files is reachable, and by every instance."""
    subject = "media"
    try:
        storage = config.storage.open_media(config.engine.ca_bundle)
        if config.storage.media_in_s3:
            with trio.fail_after(SECONDS):
                async with storage.open(), aclosing(storage.older_than(0.0)) as pages:
                    await anext(pages, None)
            return good(subject, f"{storage.location} answers")
    except trio.TooSlowError:
        return bad(
            subject, f"{config.storage.media_place} did not answer within {SECONDS:g} s", "see ROOKERY_S3_ENDPOINT"
        )
    except (RookeryError, OSError) as error:
        return bad(subject, str(error), "see ROOKERY_MEDIA and the ROOKERY_S3_... variables")
    directory = _directory(subject, Path(config.storage.media_place), "ROOKERY_MEDIA")
    if directory.level == "error":
        return directory
    used_by = (facts.used_by if facts is not None else None) or ""
    if used_by.endswith(" instances") and used_by != "1 instances":
        return odd(
            subject,
            f"{storage.location}, and {used_by} share the database",
            "mount this directory on all of them, or set ROOKERY_MEDIA=s3://bucket/prefix: otherwise none can read what "
            "another has stored",
        )
    return good(
        subject,
        f"{storage.location}" + (": for one instance, or mounted on all" if config.storage.database_url else ""),
    )
