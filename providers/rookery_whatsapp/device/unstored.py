"""The files in which workers keep events that WhatsApp will not send again and the database does not have yet."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import trio

from rookery.log import get_logger

OLDEST = 30 * 86_400.0
"""Seconds after which a file is removed that no session has picked up: its session was deleted, or the file is damaged."""

_SALT = b"rookery/whatsapp/unstored/v1"  # fixed, so that the same passphrase gives the same key after a restart

log = get_logger("SESSION")


class UnstoredFiles:
    """Files in `directory`, encrypted if there is a `secret_key`: one key or several, comma separated, newest first."""

    def __init__(self, directory: Path, secret_key: str | None) -> None:
        self._directory = directory.absolute()
        self._texts = [text.strip() for text in (secret_key or "").split(",") if text.strip()]
        self._keys: list[bytes] | None = None

    def place(self, session: str, uid: int) -> str:
        """The path of the session's files without the suffix. A session recreated under the same id has a different path."""
        return str(self._directory / f"{session.replace(':', '=3a')}~{uid}")

    async def keys(self) -> list[bytes]:
        """The AES keys, newest first."""
        if self._keys is None:
            self._keys = await trio.to_thread.run_sync(self._derive) if self._texts else []
        return self._keys

    def _derive(self) -> list[bytes]:
        """Derive the keys; takes 50 ms for each."""
        return [hashlib.scrypt(text.encode(), salt=_SALT, n=2**14, r=8, p=1, dklen=32) for text in self._texts]

    async def look(self) -> None:
        """Log which sessions have left events here, and remove files that are too old. Never raises."""
        if self._directory.exists():
            await trio.to_thread.run_sync(self._look)

    def _look(self) -> None:
        found: dict[str, int] = {}
        try:
            for path in self._directory.glob("*.events"):
                about = path.stat()
                if time.time() - about.st_mtime > OLDEST:
                    path.unlink(missing_ok=True)
                elif about.st_size:
                    session = path.name.partition("~")[0].replace("=3a", ":")
                    found[session] = found.get(session, 0) + about.st_size
            for path in self._directory.glob("*.events.damaged"):
                if time.time() - path.stat().st_mtime > OLDEST:
                    path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("files of unstored events cannot be read", directory=str(self._directory), error=str(error))
        for session, size in found.items():
            log.warning(
                "events wait to be stored; this instance stores them when it runs the session",
                session=session,
                bytes=size,
            )
