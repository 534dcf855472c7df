"""With PostgreSQL no local file has to survive: the devices' keys are there, and each is found by its address."""

import shutil
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from rookery import SessionStatus
from rookery.errors import InvalidInput, NotConnected, PlatformRefused
from rookery.model import directory as d
from rookery.model.session import Action, Reason
from rookery.session.stop import Intent
from rookery_simulator.whatsapp import WhatsAppSimulator
from rookery_whatsapp.device import devices
from store.backends import run_sql
from support.stalling_proxy import Way
from support.whatsapp_engine import (
    BOB,
    NUMBER,
    PATIENCE,
    came_back_at_once,
    event_where,
    link,
    open_whatsapp_engine,
    qr_of,
    reach,
    reasons,
)

OTHER = "4915100000009"


async def sql(database: dict[str, Any], statement: str) -> Any:
    text = statement.format(schema=database["schema"])
    return await trio.to_thread.run_sync(partial(run_sql, database["database_url"], text))


async def test_a_restart_with_a_wiped_disk(
    whatsapp: WhatsAppSimulator, tmp_path: Path, database: dict[str, Any]
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    async with open_whatsapp_engine(whatsapp, disk, **database) as engine:
        alice, device = await link(engine, whatsapp)
        _, other = await link(engine, whatsapp, "two", OTHER)
    assert list(disk.iterdir()) == []
    shutil.rmtree(disk)
    disk.mkdir()
    started = trio.current_time()
    async with open_whatsapp_engine(whatsapp, disk, **database) as engine:
        await reach(engine, "one", SessionStatus.CONNECTED)
        await reach(engine, "two", SessionStatus.CONNECTED)
        took = trio.current_time() - started
        assert device.logins == other.logins == 2
        sent = whatsapp.phone(BOB).send_text(alice, "still me")
        await event_where(engine, lambda event: event.body.get("message_id") == sent.id)
        assert Reason.PAIRING in reasons(await engine.history("one"))
        for id in ("one", "two"):
            await came_back_at_once(engine, id)
        print(f"\nboth connected again after {took:.2f} s")
        # Leaving for good takes the keys along, and only one's own.
        assert await sql(database, "SELECT count(*) FROM {schema}.whatsmeow_device") == 2
        await engine.delete_session("one")
        assert await sql(database, "SELECT count(*) FROM {schema}.whatsmeow_device") == 1
        assert device.removed
        assert not other.removed


async def test_tables_of_another_program_in_the_same_database_do_no_harm(
    whatsapp: WhatsAppSimulator, tmp_path: Path, database: dict[str, Any]
) -> None:
    """The library looks for its tables in every schema, and would take those of another gateway, or of another Rookery, for
    its own."""
    await sql(database, "CREATE SCHEMA {schema}_other")
    await sql(database, "CREATE TABLE {schema}_other.whatsmeow_version (version integer, compat integer)")
    try:
        async with open_whatsapp_engine(whatsapp, tmp_path, **database) as engine:
            await link(engine, whatsapp)
        assert await sql(database, "SELECT count(*) FROM {schema}.whatsmeow_device") == 1
    finally:
        await sql(database, "DROP SCHEMA {schema}_other CASCADE")


async def test_a_lost_row_is_an_error(whatsapp: WhatsAppSimulator, tmp_path: Path, database: dict[str, Any]) -> None:
    async with open_whatsapp_engine(whatsapp, tmp_path, **database) as engine:
        await link(engine, whatsapp)
        await link(engine, whatsapp, "two", OTHER)
    await sql(database, f"DELETE FROM {{schema}}.whatsmeow_device WHERE jid LIKE '{NUMBER}%';")
    async with open_whatsapp_engine(whatsapp, tmp_path, **database) as engine:
        session = await reach(engine, "one", SessionStatus.DISCONNECTED, Reason.CONFIGURATION)
        assert session.health.action is Action.SCAN_QR
        await reach(engine, "two", SessionStatus.CONNECTED)
        await engine.logout("one")
        await engine.start("one")
        with trio.fail_after(PATIENCE):
            await whatsapp.phone(NUMBER).scan(await qr_of(engine, "one"))
            await reach(engine, "one", SessionStatus.CONNECTED)


async def test_connections_that_nobody_uses_are_closed(
    whatsapp: WhatsAppSimulator, tmp_path: Path, database: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library keeps the connections of ended clients; the server closes them, and living clients open new ones."""
    monkeypatch.setattr(devices, "LEFTOVER_TIMEOUT", 300)
    async with open_whatsapp_engine(whatsapp, tmp_path, **database) as engine:
        alice, _ = await link(engine, whatsapp)
        with trio.fail_after(PATIENCE):
            # Idle for longer than the limit, seen from the database itself.
            count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'rookery-whatsapp'"
            while await sql(database, count):
                await trio.sleep(0.05)
            sent = whatsapp.phone(BOB).send_text(alice, "after a pause")
            await event_where(engine, lambda event: event.body.get("message_id") == sent.id)
            await engine.send("one", to=BOB, text="and back")
            assert (await whatsapp.phone(BOB).next_message()).text == "and back"


async def test_while_the_keys_cannot_be_read_messages_stay_at_whatsapp(
    whatsapp: WhatsAppSimulator, tmp_path: Path, database: dict[str, Any]
) -> None:
    """The library would ask for each of them five times, and then forget it."""
    bob, carol = whatsapp.phone(BOB), whatsapp.phone(OTHER)
    whatsapp.world.settings.retry_delay = 0.5
    way = Way(database["database_url"])
    async with trio.open_nursery() as nursery:
        await nursery.start(way.serve)
        async with open_whatsapp_engine(whatsapp, tmp_path, **database | {"database_url": way.url}) as engine:
            alice, device = await link(engine, whatsapp)
            sent = [bob.send_text(alice, "before").id]
            await event_where(engine, lambda event: event.body.get("message_id") == sent[0])
            way.shut(True)
            for number in range(5):
                sent += [phone.send_text(alice, f"meanwhile {number}").id for phone in (bob, carol)]
            session = await reach(engine, "one", SessionStatus.RECONNECTING, Reason.NETWORK)
            assert "keys" in (session.health.last_error or "")
            with trio.fail_after(PATIENCE):
                await device.wait_gone()
            sent += [phone.send_text(alice, "later").id for phone in (bob, carol)]
            way.shut(False)
            await reach(engine, "one", SessionStatus.CONNECTED)
            for id in sent:
                await event_where(engine, lambda event, id=id: event.body.get("message_id") == id)  # type: ignore[misc]
        nursery.cancel_scope.cancel()


async def test_one_instance_hands_over_to_another(
    whatsapp: WhatsAppSimulator, tmp_path: Path, database: dict[str, Any]
) -> None:
    """The second one waits for the lease, so that the device is never opened twice."""
    async with open_whatsapp_engine(whatsapp, tmp_path, **database) as first:
        alice, device = await link(first, whatsapp)
        async with open_whatsapp_engine(whatsapp, tmp_path, **database) as second:
            with trio.fail_after(PATIENCE):
                while not second.ready:
                    await trio.sleep(0.01)
            assert not second.running_here()
            handed_over = trio.Event()

            async def watch() -> None:
                await device.wait_gone()
                handed_over.set()

            async with trio.open_nursery() as nursery:
                nursery.start_soon(watch)
                first.running_here()["one"].stop(Intent.HAND_OVER)
                await handed_over.wait()
                await device.wait_active()
            sent = whatsapp.phone(BOB).send_text(alice, "to whom it may concern")
            await event_where(second, lambda event: event.body.get("message_id") == sent.id)
            assert Reason.CONFLICT not in reasons(await second.history("one"))
            assert device.logins == 2


async def test_any_instance_answers_questions_about_people_and_groups(
    whatsapp: WhatsAppSimulator, tmp_path: Path, database: dict[str, Any]
) -> None:
    bob = whatsapp.phone(BOB, "Bob")
    async with (
        open_whatsapp_engine(whatsapp, tmp_path, **database) as first,
        open_whatsapp_engine(whatsapp, tmp_path, **database) as second,
    ):
        alice, _ = await link(first, whatsapp)
        owner, other = (first, second) if "one" in first.running_here() else (second, first)
        with trio.fail_after(PATIENCE):
            made = await other.ask("one", d.CreateGroup(name="Friends", participants=[BOB]))
            assert [each.name for each in await other.ask("one", d.ListGroups())] == ["Friends"]
            assert (await other.ask("one", d.GetGroup(chat=made.chat))).participants == made.participants
            (check,) = await other.ask("one", d.CheckNumbers(phones=["+49 151 0000 0002"]))
            assert (check.exists, check.chat) == (True, str(bob.jid))
            assert (await other.ask("one", d.GetContact(who=BOB))).phone == str(bob.jid)
            assert (await other.ask("one", d.GetProfile())).phone == str(alice.jid)
            await other.ask("one", d.SetBlocked(who=BOB, blocked=True))
            assert await owner.ask("one", d.ListBlocked())
            with pytest.raises(PlatformRefused):
                await other.ask("one", d.GetGroup(chat="120363999999999999@g.us"))
            with pytest.raises(InvalidInput):
                await other.ask("one", d.GetContact(who="nobody"))
            await other.stop("one")
            await reach(other, "one", SessionStatus.DISCONNECTED)
            with pytest.raises(NotConnected):
                await other.ask("one", d.ListGroups())
