"""Commands answer any bad input with one line that names the mistake, without secrets and without a traceback."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

NOWHERE = "http://127.0.0.1:1"


@pytest.mark.parametrize(
    ("arguments", "environment", "code", "told"),
    [
        ([b"events", b"--session", b"\xff\xfe"], {}, 2, "argument 3 is not text in UTF-8"),
        ([b"sessions", b"list"], {"ROOKERY_API_KEY": "\u043a\u043b\u044e\u0447"}, 2, "the key cannot be used"),
        ([b"sessions", b"list"], {"ROOKERY_API_KEY": "hush-hush\nb"}, 2, "the key cannot be used"),
        ([b"sessions", b"list"], {"ROOKERY_URL": "http://me:hush-hush@127.0.0.1:1"}, 3, "at http://***@127.0.0.1:1"),
        ([b"sessions", b"list"], {"ROOKERY_URL": "ftp://me:hush-hush@x"}, 2, "'ftp://***@x' is not an address"),
        ([b"sessions", b"list"], {"ROOKERY_URL": "http://me:hush-hush@[::1"}, 2, "is not an address"),
        ([b"demo", b"--port", b"70000"], {}, 2, "0<=x<=65535"),
        (["send shop 7 gr\u00fc\u00dfe".encode()], {}, 2, "No such command"),
    ],
)
def test_a_bad_input_is_one_line(arguments: list[bytes], environment: dict[str, str], code: int, told: str) -> None:
    command = [sys.executable.encode(), b"-m", b"rookery_http", *arguments]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ROOKERY_")}
    done = subprocess.run(
        command, env=inherited | {"ROOKERY_URL": NOWHERE} | environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == code
    assert told in done.stderr
    assert done.stderr.startswith("rookery: ")
    assert done.stderr.count("\n") == 1
    assert "hush-hush" not in done.stderr + done.stdout
