"""Converts sound files to voice notes with ffmpeg, in a separate process with limits on time, memory and output.

Each conversion has a folder for temporary files, locked while it is used. A worker that is killed leaves its folder behind;
the next worker that starts removes it.
"""

from __future__ import annotations

import fcntl
import os
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

CONVERTING = 60.0  # seconds of wall time, and as many of CPU time
LARGEST_SOUND = 16 * 1024 * 1024  # bytes of a converted voice note, more than an hour
MOST_MEMORY = 1024 * 1024 * 1024  # bytes of address space for ffmpeg
SOUNDS = ",".join(
    (
        *("aac", "ac3", "aiff", "amr", "amrnb", "amrwb", "asf", "au", "avi", "caf", "flac", "flv", "matroska", "webm"),
        *("mov", "mp4", "m4a", "3gp", "3g2", "mj2", "mp3", "mpeg", "mpegts", "ogg", "w64", "wav"),
    )
)
"""Formats that ffmpeg may read. Playlists are excluded: they would let a file name other files and addresses."""

PREFIX = "rookery-voice-"
LOCK = "lock"
UNLOCKED = 3600.0
"""Seconds after which a folder without a lock is removed: its worker was killed before it made one."""


def to_voice(data: bytes, seconds: float = CONVERTING) -> bytes:
    """A voice note (Ogg with Opus) from any sound file, if ffmpeg is installed. Raises ValueError, at the latest after
    `seconds`.

    ffmpeg reads a file instead of a pipe, because many formats keep their index at the end. It may read only this file, and
    only as a sound format.
    """
    if shutil.which("ffmpeg") is None:
        raise ValueError("a voice note is Ogg with Opus; other sound files are converted where ffmpeg is installed")
    seconds = min(seconds, CONVERTING)
    with _folder() as folder:
        source, target, log = folder / "source", folder / "voice.ogg", folder / "log"
        source.write_bytes(data)
        with log.open("wb") as errors:
            run = subprocess.Popen(_command(source, target), stdin=subprocess.DEVNULL, stdout=errors, stderr=errors)  # noqa: S603
        try:
            _limit(run.pid)
            status = run.wait(max(0.0, seconds))
        except subprocess.TimeoutExpired:
            raise ValueError(f"the sound file could not be converted within {max(0.0, seconds):.3g} s") from None
        finally:
            run.kill()
            run.wait()
        if status != 0 or not target.exists() or not target.stat().st_size:
            why = log.read_bytes()[-2000:].decode("utf-8", "replace").replace(str(source), "the file").strip()[-200:]
            raise ValueError(f"ffmpeg cannot convert the sound file: {why or f'exit status {status}'}")
        return target.read_bytes()


def _command(source: Path, target: Path) -> list[str]:
    reading = ["-protocol_whitelist", "file", "-format_whitelist", SOUNDS, "-i", f"file:{source}", "-map", "0:a:0"]
    writing = ["-vn", "-map_metadata", "-1", "-ac", "1", "-c:a", "libopus", "-b:a", "32k", "-application", "voip"]
    limits = ["-fs", str(LARGEST_SOUND), "-f", "ogg", f"file:{target}"]
    return ["ffmpeg", "-nostdin", "-v", "error", "-threads", "1", *reading, *writing, *limits]


def _limit(pid: int) -> None:
    """Limit the resources of a child process, where the system supports it (Linux)."""
    if hasattr(resource, "prlimit"):
        for what, most in (
            (resource.RLIMIT_AS, MOST_MEMORY),
            (resource.RLIMIT_CPU, int(CONVERTING)),
            (resource.RLIMIT_FSIZE, 2 * LARGEST_SOUND),
        ):
            try:
                resource.prlimit(pid, what, (most, most))
            except (ProcessLookupError, PermissionError, ValueError):
                return


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as name:
        lock = os.open(Path(name) / LOCK, os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield Path(name)
        finally:
            os.close(lock)


def remove_leftovers() -> None:
    """Remove the folders of workers that were killed. Never raises."""
    with suppress(OSError):
        for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
            with suppress(OSError):
                about = folder.lstat()
                if about.st_uid == os.getuid() and not folder.is_symlink() and _is_abandoned(folder, about.st_mtime):
                    shutil.rmtree(folder, ignore_errors=True)


def _is_abandoned(folder: Path, changed: float) -> bool:
    try:
        lock = os.open(folder / LOCK, os.O_RDWR)
    except FileNotFoundError:
        return time.time() - changed > UNLOCKED
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(lock)
    return True
