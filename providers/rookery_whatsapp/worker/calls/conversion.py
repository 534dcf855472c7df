"""Converts pictures to the forms that WhatsApp's apps show: stickers and thumbnails."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import Any

STICKER = (512, 512)  # pixels
LARGEST_STICKER, LARGEST_ANIMATION = 100 * 1024, 500 * 1024  # bytes, as the apps accept
QUALITIES = (80, 60, 40, 20)
MOST_FRAMES = 60
LONGEST_ANIMATION = 10_000  # ms
SHORTEST_FRAME = 8  # ms
DEFAULT_FRAME = 100  # ms, for pictures that name no duration
MOST_PIXELS = 40_000_000
"""Maximum pixels of a picture to decode; a small file may claim far more than fits into memory."""

OPUS_RATE = 48_000  # granules a second, whatever the sample rate of the recording

PICTURES = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "ICO")
"""Formats that Pillow may open. For some others, such as EPS, it starts programs."""

MOST_READ = 300
"""Maximum frames of an animation; of more than `MOST_FRAMES`, some are left out."""

THUMBNAIL = (96, 96)  # pixels at most
LINK_THUMBNAIL = (300, 300)


def to_sticker(data: bytes) -> tuple[bytes, bool]:
    """A WebP of 512 x 512 pixels, and whether it is animated. A file that already is such a WebP stays unchanged.

    Raises ValueError when the file is not a picture.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=PICTURES) as picture:
            animated = getattr(picture, "n_frames", 1) > 1
            largest = LARGEST_ANIMATION if animated else LARGEST_STICKER
            if picture.format == "WEBP" and picture.size == STICKER and len(data) <= largest:
                return data, animated
            _check_size(picture)
            if getattr(picture, "n_frames", 1) > MOST_READ:
                raise ValueError(f"it has more than {MOST_READ} frames")
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
    """At most `MOST_FRAMES` frames with their durations in ms: extra frames are left out, and the others last longer."""
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
    """The picture, centred on a transparent square."""
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


def seconds_of_opus(data: bytes) -> int:
    """The duration of an Ogg Opus file in seconds; 0 when the file does not give it."""
    last = data.rfind(b"OggS")
    if last < 0 or len(data) < last + 14:
        return 0
    (granules,) = struct.unpack_from("<q", data, last + 6)
    return max(0, round(granules / OPUS_RATE)) if granules < 2**40 else 0


def thumbnail(data: bytes, size: tuple[int, int] = THUMBNAIL) -> tuple[bytes, tuple[int, int], tuple[int, int]] | None:
    """A small JPEG, the picture's size and the JPEG's size in pixels; None if the file is not a picture or is too large."""
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
    except Exception:  # a broken picture can make Pillow raise almost anything
        return None
