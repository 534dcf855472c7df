"""Parts without processes: frames, the gate, addresses, quotes, failures, imports."""

import io
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from rookery.errors import Conflict, InvalidInput, ProviderError, Rejected, TerminalError
from rookery.model.content import Delete, Edit, Reaction, Text, Typing
from rookery.model.message import OutboundMessage
from rookery.model.session import Action, Reason
from rookery_whatsapp import WhatsApp
from rookery_whatsapp.addresses import address
from rookery_whatsapp.device.devices import PostgresDevices, SqliteDevices
from rookery_whatsapp.link.failures import failure_of
from rookery_whatsapp.link.outbound import to_call
from rookery_whatsapp.memory import Known, Memory
from rookery_whatsapp.protocol import BrokenStream, FrameReader, Notice, Ping, Stop, Stored, encode, to_worker
from rookery_whatsapp.worker.calls.conversion import MOST_FRAMES, to_sticker
from rookery_whatsapp.worker.gate import PAST_ITS_BEGINNING, MapGate

OWN = "4915100000001@s.whatsapp.net"
GROUP = "120363000000000001@g.us"


def run(program: str) -> str:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", program], check=True, capture_output=True, text=True
    ).stdout.strip()


@given(st.lists(st.integers(1, 40), max_size=30))
def test_frames_survive_any_cut(cuts: list[int]) -> None:
    frames = [Ping(), Stop(7), Stored(7, 2**40), Ping()]
    stream = b"".join(encode(frame) for frame in frames)  # type: ignore[arg-type]
    reader, found = FrameReader(), []
    for cut in [*cuts, len(stream)]:
        piece, stream = stream[:cut], stream[cut:]
        found += [to_worker.decode(body) for body in reader.feed(piece)]
    assert found == frames


def test_a_stream_out_of_step_is_found() -> None:
    with pytest.raises(BrokenStream):
        list(FrameReader().feed(b"HTTP/1.1 200 OK"))


def test_a_long_animation_becomes_a_sticker_of_few_frames() -> None:
    file = io.BytesIO()
    frames = [Image.new("RGB", (12, 12), "white") for _ in range(130)]
    for number, frame in enumerate(frames):
        frame.putpixel((number % 12, number // 12), (0, 0, 0))
    first, *others = frames
    first.save(file, "GIF", save_all=True, append_images=others, duration=50)
    sticker, animated = to_sticker(file.getvalue())
    with Image.open(io.BytesIO(sticker)) as shown:
        assert animated
        assert 30 < getattr(shown, "n_frames", 1) <= MOST_FRAMES


def test_a_change_waits_for_calls_that_have_just_begun() -> None:
    gate = MapGate()
    began = time.monotonic()
    with gate.call(), gate.change():  # which does not wait for the call's end
        assert time.monotonic() - began >= PAST_ITS_BEGINNING * 0.9


def test_calls_and_changes_wait_for_a_change() -> None:
    gate = MapGate()
    order: list[str] = []
    number = gate.begin_change()
    ready = threading.Barrier(3)

    def call() -> None:
        ready.wait()
        with gate.call():
            order.append("call")

    def change() -> None:
        ready.wait()
        with gate.change():
            order.append("change")

    threads = [threading.Thread(target=call), threading.Thread(target=change)]
    for thread in threads:
        thread.start()
    ready.wait()
    order.append("first")
    gate.end_change(number)
    gate.end_change(number)
    for thread in threads:
        thread.join(5)
    assert order[0] == "first"
    assert sorted(order) == ["call", "change", "first"]


def test_a_change_that_hangs_lets_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rookery_whatsapp.worker.gate.LONGEST_CHANGE", 0.05)
    gate = MapGate()
    stuck = gate.begin_change()
    with gate.change():
        gate.end_change(stuck)  # comes late, and must not end another client's
        assert gate._change


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("+49 151 2345-6789", "4915123456789@s.whatsapp.net"),
        ("4915123456789", "4915123456789@s.whatsapp.net"),
        (GROUP, GROUP),
        ("10001@lid", "10001@lid"),
        ("4915123456789@c.us", "4915123456789@s.whatsapp.net"),
    ],
)
def test_addresses(text: str, expected: str) -> None:
    assert address(text) == expected


@pytest.mark.parametrize(
    "text", ["", "nobody", "a@b.c", "12", "49151@s.whatsapp.net.evil", "1@lid\n", "nobody@c.us", "49151@c.us\n"]
)
def test_invalid_addresses_are_refused(text: str) -> None:
    with pytest.raises(Rejected):
        address(text)


def message(content: object, to: str = GROUP, **fields: object) -> OutboundMessage:
    return OutboundMessage(
        id="m",
        session="s",
        to=to,
        content=content,  # type: ignore[arg-type]
        created_at=0,
        updated_at=0,
        expires_at=1,
        **fields,  # type: ignore[arg-type]
    )


def test_who_wrote_what_is_answered() -> None:
    memory = Memory()
    memory.keep("theirs", Known("10002@lid", "hello", False))
    memory.keep("mine", Known(OWN, "my own", True))
    _, arguments = to_call(message(Text("hi"), reply_to="theirs"), memory, OWN)
    assert (arguments["quoted_sender"], arguments["quoted_text"]) == ("10002@lid", "hello")
    _, arguments = to_call(message(Text("hi"), reply_to="mine"), memory, OWN)
    assert (arguments["quoted_sender"], arguments["quoted_text"]) == (OWN, "my own")
    _, arguments = to_call(message(Reaction("theirs", "👍")), memory, OWN)
    assert (arguments["from_me"], arguments["quoted_sender"]) == (False, "10002@lid")
    _, arguments = to_call(message(Reaction("mine", "👍")), memory, OWN)
    assert arguments["from_me"] is True
    _, arguments = to_call(message(Delete("forgotten")), memory, OWN)
    assert arguments["from_me"] is True
    _, arguments = to_call(message(Reaction("unknown", "👍"), to="4915100000002"), memory, OWN)
    assert (arguments["from_me"], arguments["quoted_sender"]) == (False, "4915100000002@s.whatsapp.net")
    with pytest.raises(Rejected, match=r"options\.sender"):
        to_call(message(Reaction("unknown", "👍")), memory, OWN)
    _, arguments = to_call(message(Reaction("unknown", "👍"), options={"sender": "4915100000003"}), memory, OWN)
    assert arguments["quoted_sender"] == "4915100000003@s.whatsapp.net"


def test_options_longer_than_a_poll_has_are_not_remembered() -> None:
    memory = Memory()
    usual = tuple(f"{n:0100}" for n in range(12))
    memory.keep("poll", Known("10002@lid", "when?", False, usual, "poll"))
    memory.keep("huge", Known("10002@lid", "when?", False, ("x" * 100_000, "y"), "poll"))
    poll, huge = memory.get("poll"), memory.get("huge")
    assert poll is not None
    assert poll.options == usual
    assert huge is not None
    assert (huge.author, huge.text, huge.options) == ("10002@lid", "when?", ())


def test_what_whatsapp_does_not_know() -> None:
    with pytest.raises(Rejected, match="HTML"):
        to_call(message(Edit("m", "<b>hi</b>", "html")), Memory(), OWN)
    with pytest.raises(Rejected, match="typing, recording, paused"):
        to_call(message(Typing("dancing")), Memory(), OWN)
    with pytest.raises(Rejected, match="disable_notification"):
        to_call(message(Text("hi"), options={"disable_notification": True}), Memory(), OWN)


def test_what_the_librarys_reports_mean() -> None:
    def failure(kind: str, **detail: object) -> ProviderError | None:
        return failure_of(Notice(1, kind, detail), takeover=False, now=0.0)

    ban = failure("banned", code=4, seconds=3600)
    assert isinstance(ban, TerminalError)
    assert (ban.reason, str(ban)) == (
        Reason.BANNED,
        "WhatsApp has banned this account until 1970-01-01T01:00:00Z: the same message sent too often",
    )
    logout = failure("logged_out", reason=401, on_connect=True)
    assert isinstance(logout, TerminalError)
    assert (logout.reason, logout.action) == (Reason.LOGOUT, Action.SCAN_QR)
    replaced = failure("replaced")
    assert isinstance(replaced, Conflict)
    assert replaced.retry_after is None
    taken = failure_of(Notice(1, "replaced"), takeover=True, now=0.0)
    assert taken is not None
    assert taken.retry_after == 5.0
    assert failure("connected") is None
    assert failure("disconnected") is None


@pytest.mark.parametrize(
    ("credentials", "settings", "field"),
    [
        ({"token": "x"}, {}, "credentials.token"),
        ({"jid": "x"}, {}, "credentials.jid"),
        ({"account": "+49"}, {}, "credentials.account"),
        ({}, {"proxy": "ftp://x"}, "settings.proxy"),
        ({}, {"presence": "maybe"}, "settings.presence"),
        ({}, {"unknown": 1}, "settings.unknown"),
    ],
)
def test_input_is_checked(credentials: dict[str, str], settings: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        WhatsApp().check(credentials, settings)
    assert caught.value.field == field


def test_a_proxys_password_is_not_shown() -> None:
    with pytest.raises(InvalidInput) as caught:
        WhatsApp(proxy="gopher://user:secret@host:1")
    assert "secret" not in str(caught.value)


def test_places_of_keys_are_checked() -> None:
    with pytest.raises(InvalidInput):
        SqliteDevices(Path("/tmp/what?"))
    with pytest.raises(InvalidInput):
        PostgresDevices("mysql://localhost/x", "devices")
    with pytest.raises(InvalidInput):
        PostgresDevices("postgresql://localhost/x", "Robert'); DROP")


async def test_a_damaged_file_of_keys_is_an_error_for_people(tmp_path: Path) -> None:
    devices = SqliteDevices(tmp_path)
    await devices.database_for("one")
    assert not await devices.holds("one", "4915100000001:1@s.whatsapp.net")
    (tmp_path / "one.db").write_bytes(b"no database" * 1000)
    with pytest.raises(TerminalError, match="cannot be read") as caught:
        await devices.holds("one", "4915100000001:1@s.whatsapp.net")
    assert (caught.value.reason, caught.value.action) == (Reason.CONFIGURATION, Action.SCAN_QR)
    await devices.forget("one", None)
    assert os.listdir(tmp_path) == []


def test_the_package_needs_no_neonize() -> None:
    program = (
        "import sys; sys.modules['neonize'] = sys.modules['magic'] = None; import rookery_whatsapp as r; r.WhatsApp()"
    )
    assert run(f"{program}; print('ok')") == "ok"


def test_a_worker_loads_neither_trio_nor_the_engine() -> None:
    program = (
        "import sys, rookery_whatsapp.worker.host, rookery_whatsapp.worker.loading.library as l; l.load(); "
        "import rookery_whatsapp.worker.client; "
        "unwanted = {'trio', 'rookery', 'asyncpg', 'rookery_whatsapp.provider', 'bs4', 'httpcore'}; "
        "print(sorted(unwanted & sys.modules.keys()))"
    )
    found = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    assert found.strip() == "[]"


def test_a_worker_does_without_libmagic() -> None:
    program = (
        "import sys; sys.modules['magic'] = None; import rookery_whatsapp.worker.loading.library as l\n"
        "del sys.modules['magic']\n"
        "import builtins; real = builtins.__import__\n"
        "def no_magic(name, *a, **k):\n"
        "    if name == 'magic' and 'magic' not in sys.modules: raise ImportError('failed to find libmagic')\n"
        "    return real(name, *a, **k)\n"
        "builtins.__import__ = no_magic; l.importlib.import_module = lambda n: (no_magic(n), sys.modules[n])[1]\n"
        "print(l.load())"
    )
    assert subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    ).stdout.startswith("neonize ")
