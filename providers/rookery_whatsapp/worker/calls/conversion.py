"""Converts files to the forms that WhatsApp's apps show: stickers, voice notes and thumbnails."""

from __future__ import annotations

import io
import resource
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

STICKER = (512, 512)  # pixels
LARGEST_STICKER, LARGEST_ANIMATION = 100 * 1024, 500 * 1024  # bytes, as the apps accept
QUALITIES = (80, 60, 40, 20)
MOST_FRAMES = 60
LONGEST_ANIMATION = 10_000  # ms
SHORTEST_FRAME = 8  # ms
DEFAULT_FRAME = 100  # ms, for pictures that name no duration
MOST_PIXELS = 40_000_000
"""Pixels of a picture that is decoded; a small file may claim far more than fits into memory."""

CONVERTING = 60.0  # seconds, and as many of CPU time
LARGEST_SOUND = 16 * 1024 * 1024  # bytes of a converted voice note, more than an hour
MOST_MEMORY = 1024 * 1024 * 1024  # bytes of address space for ffmpeg
SOUNDS = ",".join(
    (
        *("aac", "ac3", "aiff", "amr", "amrnb", "amrwb", "asf", "au", "avi", "caf", "flac", "flv", "matroska", "webm"),
        *("mov", "mp4", "m4a", "3gp", "3g2", "mj2", "mp3", "mpeg", "mpegts", "ogg", "w64", "wav"),
    )
)
"""Formats that ffmpeg may read. Playlists are none of them: they would let a file name other files and addresses."""
OPUS_RATE = 48_000  # granules a second, whatever the sound's own rate is

PICTURES = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "ICO")
"""What is opened: others, like EPS, start programs."""

MOST_FRAMES = 300

THUMBNAIL = (96, 96)  # pixels at most
LINK_THUMBNAIL = (300, 300)


def to_sticker(data: bytes) -> tuple[bytes, bool]:
    """A WebP of 512 x 512 pixels, and whether it is animated; a picture that is one already stays as it is.

    Raises ValueError when the file is no picture.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=PICTURES) as picture:
            animated = getattr(picture, "n_frames", 1) > 1
            largest = LARGEST_ANIMATION if animated else LARGEST_STICKER
            if picture.format == "WEBP" and picture.size == STICKER and len(data) <= largest:
                return data, animated
            _check_size(picture)
            if getattr(picture, "n_frames", 1) > MOST_FRAMES:
                raise ValueError(f"it has more than {MOST_FRAMES} frames")
            frames = list(_frames(picture)) if animated else [(_on_canvas(picture), DEFAULT_FRAME)]
    except Exception as error:
        if data.startswith(b"RIFF"):  # a WebP that this Pillow cannot read
            return data, False
        raise ValueError(f"the file is no picture that can become a sticker: {error}") from None
    webp = b""
    for quality in QUALITIES:
        webp = _encode(frames, quality)
        if len(webp) <= largest:
            return webp, animated
    if animated:
        raise ValueError(f"the animation has {len(webp)} bytes as a sticker, {largest} are allowed: make it shorter")
    return webp, animated


def _encode(frames: list[tuple[Any, int]], quality: int) -> bytes:
    file = io.BytesIO()
    (first, _), *others = frames
    if others:
        durations = [duration for _, duration in frames]
        more = [frame for frame, _ in others]
        first.save(file, "WEBP", quality=quality, save_all=True, append_images=more, duration=durations, loop=0)
    else:
        first.save(file, "WEBP", quality=quality)
    return file.getvalue()


def _frames(picture: Any) -> Iterator[tuple[Any, int]]:
    """At most `MOST_FRAMES` frames with their durations in ms; of more, some are left out and the others last longer."""
    step = -(-picture.n_frames // MOST_FRAMES)
    total = 0
    for start in range(0, picture.n_frames, step):
        lasts = 0
        shown = None
        for number in range(start, min(start + step, picture.n_frames)):
            picture.seek(number)
            shown = shown or _on_canvas(picture)
            lasts += max(int(picture.info.get("duration") or DEFAULT_FRAME), SHORTEST_FRAME)
        lasts = min(lasts, LONGEST_ANIMATION - total)
        if lasts < SHORTEST_FRAME:
            return
        total += lasts
        yield shown, lasts


def _on_canvas(picture: Any) -> Any:
    """The picture in the middle of a transparent square."""
    from PIL import Image

    small = picture.convert("RGBA")
    scale = min(STICKER[0] / small.width, STICKER[1] / small.height)
    small = small.resize((max(1, round(small.width * scale)), max(1, round(small.height * scale))))
    canvas = Image.new("RGBA", STICKER, (0, 0, 0, 0))
    canvas.paste(small, ((STICKER[0] - small.width) // 2, (STICKER[1] - small.height) // 2))
    return canvas


def _check_size(picture: Any) -> None:
    if picture.width * picture.height > MOST_PIXELS:
        raise ValueError(f"it has {picture.width} x {picture.height} pixels")


def to_voice(data: bytes) -> bytes:
    """A voice note (Ogg with Opus) from any sound file, if ffmpeg is installed. Raises ValueError.

    ffmpeg reads a file instead of a pipe, because many sound files name their parts at their end. It may read only sounds and
    only this file; time, memory and output are limited.
    """
    if shutil.which("ffmpeg") is None:
        raise ValueError("a voice note is Ogg with Opus; other sound files are converted where ffmpeg is installed")
    with tempfile.TemporaryDirectory(prefix="rookery-voice-") as folder:
        source, target = Path(folder) / "source", Path(folder) / "voice.ogg"
        source.write_bytes(data)
        reading = ["-protocol_whitelist", "file", "-format_whitelist", SOUNDS, "-i", f"file:{source}", "-map", "0:a:0"]
        writing = ["-vn", "-map_metadata", "-1", "-ac", "1", "-c:a", "libopus", "-b:a", "32k", "-application", "voip"]
        limits = ["-fs", str(LARGEST_SOUND), "-f", "ogg", f"file:{target}"]
        command = ["ffmpeg", "-nostdin", "-v", "error", "-threads", "1", *reading, *writing, *limits]
        log = Path(folder) / "log"
        with log.open("wb") as errors:
            run = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors)  # noqa: S603
        try:
            _limit(run.pid)
            status = run.wait(CONVERTING)
        except subprocess.TimeoutExpired:
            raise ValueError(f"the sound file could not be converted within {CONVERTING:g} s") from None
        finally:
            run.kill()
            run.wait()
        if status != 0 or not target.exists() or not target.stat().st_size:
            why = log.read_bytes()[-2000:].decode("utf-8", "replace").replace(str(source), "the file").strip()[-200:]
            raise ValueError(f"ffmpeg cannot convert the sound file: {why or f'exit status {status}'}")
        return target.read_bytes()


def _limit(pid: int) -> None:
    """Bound what a child process may use, where the system can (Linux)."""
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


def seconds_of_opus(data: bytes) -> int:
    """How long an Ogg file with Opus lasts, in seconds; 0 when it does not say."""
    last = data.rfind(b"OggS")
    if last < 0 or len(data) < last + 14:
        return 0
    (granules,) = struct.unpack_from("<q", data, last + 6)
    return max(0, round(granules / OPUS_RATE)) if granules < 2**40 else 0


def thumbnail(data: bytes, size: tuple[int, int] = THUMBNAIL) -> tuple[bytes, tuple[int, int], tuple[int, int]] | None:
    """A small JPEG, the picture's size and the JPEG's size in pixels; None for what is no picture, or is too large."""
    try:
        from PIL import Image

        with Image.open(io.BytesIO(data), formats=PICTURES) as picture:
            whole = picture.size
            _check_size(picture)
            picture.draft("RGB", size)
            small = picture.convert("RGB")
            small.thumbnail(size)
            file = io.BytesIO()
            small.save(file, "JPEG", quality=60)
            return file.getvalue(), whole, small.size
    except Exception:  # Pillow raises whatever a broken picture makes it raise
        return None
