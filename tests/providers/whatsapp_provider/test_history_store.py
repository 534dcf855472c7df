"""Slices of history: how they are cut, and where they wait."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from rookery_whatsapp.device.devices import DeviceStore, PostgresDevices, SqliteDevices
from store.backends import PostgresBackend, run_sql

CUT = """
from rookery_whatsapp.worker.loading import library
library.load()
from neonize.proto.waHistorySync.WAWebProtobufsHistorySync_pb2 import HistorySync
from rookery_whatsapp.worker import history

whole = HistorySync(syncType=3, globalSettings={}, progress=40)
sizes = [0, 3, 900, 1, 0, 40]
for number, count in enumerate(sizes):
    chat = whole.conversations.add(ID=f"{number}@g.us", name=f"chat {number}", unreadCount=number)
    chat.participant.add(userJID="dropped@lid")
    for message in range(count):
        chat.messages.add().message.messageTimestamp = message
        chat.messages[-1].message.key.ID = str(message)
        chat.messages[-1].message.message.conversation = "x" * 400
for number in range(3000):
    whole.pushnames.add(ID=f"{number}@lid", pushname=f"name {number}")
parts = [HistorySync.FromString(each) for each in history.slices(whole.SerializeToString())]
assert len(parts) > 6 and all(part.syncType == 3 for part in parts)
assert all(part.ByteSize() <= history.SLICE + 1000 for part in parts)
found, names = {}, 0
for part in parts:
    names += len(part.pushnames)
    for chat in part.conversations:
        assert chat.name == f"chat {chat.ID[0]}" and not chat.participant
        found.setdefault(chat.ID, []).extend(each.message.messageTimestamp for each in chat.messages)
assert names == 3000
assert found == {f"{number}@g.us": list(range(count)) for number, count in enumerate(sizes)}
assert list(history.slices(b"")) == []
print("cut")
"""


def test_a_chunk_is_cut_without_losing_a_message() -> None:
    done = subprocess.run([sys.executable, "-c", CUT], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "cut", done.stderr[-2000:]


async def keeps(devices: DeviceStore) -> None:
    await devices.database_for("one")
    assert await devices.next_history("one", None) is None
    await devices.keep_history("one", [b"a", b"b"])
    await devices.keep_history("other", [b"z"])
    await devices.keep_history("one", [b"c"])
    number, data = await devices.next_history("one", None) or (0, b"")
    assert data == b"a"
    assert await devices.next_history("one", None) == (number, b"a"), "it stays until it is done"
    second = await devices.next_history("one", number)
    assert second is not None
    assert second[1] == b"b"
    await devices.forget("one", None)
    assert await devices.next_history("one", None) is None
    left = await devices.next_history("other", None)
    assert left is not None
    assert left[1] == b"z"


async def test_slices_wait_in_the_file_of_their_session(tmp_path: Path) -> None:
    await keeps(SqliteDevices(tmp_path))


async def test_slices_wait_in_postgresql(postgres: PostgresBackend, postgres_url: str) -> None:
    schema = f"{postgres.schema}_history"
    try:
        await keeps(PostgresDevices(postgres_url, schema))
    finally:
        run_sql(postgres_url, f"DROP SCHEMA IF EXISTS {schema} CASCADE")
