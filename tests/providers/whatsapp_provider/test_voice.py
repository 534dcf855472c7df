"""Voice notes through a real ffmpeg: its limits, and what a killed worker leaves behind."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from rookery_whatsapp.worker.calls import voice
from rookery_whatsapp.worker.calls.conversion import seconds_of_opus

needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def tone(folder: Path, seconds: float) -> bytes:
    """A sound file."""
    path = folder / "tone.wav"
    source = ["-f", "lavfi", "-i", f"sine=frequency=440:duration={seconds}:sample_rate=8000", str(path)]
    subprocess.run(["ffmpeg", "-v", "error", *source], check=True)
    data = path.read_bytes()
    path.unlink()
    return data


@needs_ffmpeg
def test_a_conversion_ends_in_time_and_leaves_nothing(folder: Path) -> None:
    sound = tone(folder, 600)
    began = time.monotonic()
    with pytest.raises(ValueError, match=r"within 0\.05 s"):
        voice.to_voice(sound, 0.05)
    assert time.monotonic() - began < 5
    assert list(folder.iterdir()) == []
    with pytest.raises(ValueError, match="within 0 s"):
        voice.to_voice(sound, -1.0)


@needs_ffmpeg
def test_the_output_is_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sound = tone(folder, 60)
    whole = voice.to_voice(sound)
    assert seconds_of_opus(whole) == 60
    monkeypatch.setattr(voice, "LARGEST_SOUND", len(whole) // 4)
    cut = voice.to_voice(sound)
    assert cut.startswith(b"OggS")
    assert len(cut) < len(whole) // 2
    monkeypatch.setattr(voice, "_command", lambda source, target: ["dd", "if=/dev/zero", f"of={target}", "bs=64k"])
    with pytest.raises(ValueError, match="cannot convert"):  # whatever ffmpeg itself believes
        voice.to_voice(sound)


@needs_ffmpeg
def test_the_memory_is_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sound = tone(folder, 1)
    assert voice.to_voice(sound).startswith(b"OggS")
    monkeypatch.setattr(voice, "MOST_MEMORY", 1024 * 1024)
    with pytest.raises(ValueError, match="ffmpeg cannot convert"):
        voice.to_voice(sound)


CONVERTING = """
import sys, tempfile
tempfile.tempdir = sys.argv[1]
from rookery_whatsapp.worker.calls import voice
with voice._folder() as folder:
    (folder / "source").write_bytes(b"a sound")
    print("began", flush=True)
    sys.stdin.read()
"""


def test_what_a_killed_worker_left_is_removed_by_the_next_one(folder: Path) -> None:
    worker = subprocess.Popen(
        [sys.executable, "-c", CONVERTING, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert worker.stdout is not None
    assert worker.stdout.readline() == "began\n"
    unlocked, other = folder / f"{voice.PREFIX}new", folder / "something-else"
    unlocked.mkdir()
    other.mkdir()
    (folder / f"{voice.PREFIX}link").symlink_to(other)
    voice.remove_leftovers()
    assert len(list(folder.glob(f"{voice.PREFIX}*/source"))) == 1, "it is in use"
    worker.kill()
    worker.communicate()
    voice.remove_leftovers()
    assert list(folder.glob(f"{voice.PREFIX}*/source")) == []
    assert unlocked.exists(), "its worker may be about to lock it"
    os.utime(unlocked, (time.time() - voice.UNLOCKED - 1,) * 2)
    voice.remove_leftovers()
    assert not unlocked.exists()
    assert other.exists()
