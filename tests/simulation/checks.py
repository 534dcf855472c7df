"""What must be true at the end of a life, when nothing has failed for long."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .life import Life


def at_the_end(life: Life) -> None:
    """Adds to the world's violations."""
    _sessions(life)
    _updates(life)
    _phones(life)
    _sends(life)
    _deliveries(life)
    _leftovers(life)


def _sessions(life: Life) -> None:
    world = life.world
    rows = life.database.connection.execute(
        "SELECT id, enabled, status, reason, owner, detail FROM sessions ORDER BY id"
    ).fetchall()
    names = {machine.process.name for machine in life.machines if machine.process is not None}
    there = {row[0] for row in rows}
    for session in life.sessions:
        if session not in there and session not in life.clients.deleted:
            world.violate(f"{session} is gone, but was never deleted")
    for id, enabled, status, reason, owner, detail in rows:
        if id in life.clients.deleted:
            world.violate(f"at the end {id} is still there, which was deleted")
        elif id in life.whatsapp.by_session and (not life.whatsapp.by_session[id].linked or reason == "QR_EXPIRED"):
            continue  # it waits for a person
        elif enabled and (status != "CONNECTED" or owner not in names):
            world.violate(f"at the end {id} is {status}/{reason} at {owner}: {detail}")
        if not enabled and owner is not None:
            world.violate(f"at the end {id} is disabled and held by {owner}")
    for machine in life.machines:
        if machine.process is None or machine.process.engine is None:
            world.violate(f"at the end nothing runs on {machine.name}")
            continue
        for id, runner in machine.process.engine.running_here().items():
            if runner.link is None and not runner.stopping and id not in life.whatsapp.by_session:
                world.violate(f"at the end {id} has no link at {machine.process}")


def _updates(life: Life) -> None:
    observer, deleted = life.database.observer, life.clients.deleted
    for session, bot in sorted(life.telegram.by_session.items()):
        if session in deleted or not observer.enabled[session]:
            continue
        if missing := life.telegram.unstored(bot):
            life.world.violate(f"at the end {session} has not stored {missing[:5]} ({len(missing)})")
        order = [text for text in observer.texts.get(session, ()) if text in set(bot.texts)]
        if order != [text for text in bot.texts if observer.received[text]]:
            life.world.violate(f"{session} stored its updates in another order")
        if len(bot.queue):
            life.world.violate(f"at the end {len(bot.queue)} updates of {session} are not confirmed")


def _phones(life: Life) -> None:
    observer, deleted = life.database.observer, life.clients.deleted
    for session, phone in sorted(life.whatsapp.by_session.items()):
        if session in deleted or not observer.enabled[session] or not phone.linked or phone.client is None:
            continue
        if missing := life.whatsapp.unstored(phone):
            life.world.violate(f"at the end {session} has not stored {missing[:5]} ({len(missing)})")
        order = [text for text in observer.texts.get(session, ()) if text not in phone.late]
        if order != [text for text in phone.texts if observer.received[text] and text not in phone.late]:
            life.world.violate(f"{session} stored its messages in another order")


def _sends(life: Life) -> None:
    world, observer = life.world, life.database.observer
    rows = dict(life.database.connection.execute("SELECT id, state FROM messages").fetchall())
    sessions = dict(life.database.connection.execute("SELECT id, session FROM messages").fetchall())
    for text, id in sorted(observer.sent_as.items()):
        state = rows.get(id)
        if state is None:
            continue  # its session was deleted
        count = life.arrived(sessions[id], text)
        if state in ("scheduled", "queued", "sending"):
            if observer.enabled[sessions[id]] and sessions[id] not in observer.may_disable:
                world.violate(f"at the end {text} of {sessions[id]} is {state}")
        elif state in ("sent", "delivered", "read"):
            if count != 1:
                world.violate(f"{text} of {sessions[id]} is {state} and was sent {count} times")
        elif state != "unknown" and count:
            world.violate(f"{text} of {sessions[id]} is {state} and was sent")
    for text, id in sorted(life.clients.accepted.items()):
        if id not in observer.states:
            world.violate(f"{text} was accepted as {id} and is not stored")
        elif observer.sent_as[text] != id:
            world.violate(f"{text} was accepted as {id} and is stored as {observer.sent_as[text]}")


def _deliveries(life: Life) -> None:
    world, connection = life.world, life.database.connection
    waiting = connection.execute("SELECT count(*) FROM deliveries").fetchone()[0]
    if waiting:
        world.violate(f"at the end {waiting} deliveries wait")
    dead = set(
        connection.execute(
            "SELECT w.id, d.event FROM dead_letters AS d JOIN webhooks AS w ON w.number = d.webhook"
        ).fetchall()
    )
    hooks = dict(connection.execute("SELECT id, session FROM webhooks").fetchall())
    events = connection.execute("SELECT id, session FROM events WHERE type = 'message' ORDER BY id").fetchall()
    for name, endpoint in sorted(life.endpoints.by_webhook.items()):
        if name not in hooks:
            continue  # gone with its session
        missing = [
            event
            for event, session in events
            if hooks[name] in (None, session) and not endpoint.taken[event] and (name, event) not in dead
        ]
        if missing:
            world.violate(f"{name} never got the events {missing[:5]} ({len(missing)})")


def _leftovers(life: Life) -> None:
    world = life.world
    if life.database.calls:
        world.violate(f"{len(life.database.calls)} calls between instances are left")
    for machine in life.machines:
        process = machine.process
        if process is None or process.engine is None:
            continue
        engine = process.engine
        if engine._board._waiting:
            world.violate(f"{process} has statuses that are not written")
        if engine._signals._messages:
            world.violate(f"{process} watches messages still")
