"""Every kind of message through the real library into the event log."""

from pathlib import Path

import trio

from rookery_simulator.whatsapp import WhatsAppSimulator
from rookery_simulator.whatsapp.phone.outgoing import Draft
from rookery_simulator.whatsapp.stanza import protobufs
from support.message_kinds.samples import around, holders, with_field
from support.whatsapp_engine import BOB, PATIENCE, event_where, link, open_whatsapp_engine

ABOUT_OTHERS = {"reaction", "poll_vote", "deleted_message", "event_response"}


async def test_every_kind_of_message_becomes_one_event_that_says_what_it_is(
    whatsapp: WhatsAppSimulator, tmp_path: Path
) -> None:
    kind = protobufs.messages().Message
    samples = {name: with_field(kind, name) for name in kind.DESCRIPTOR.fields_by_name}
    text, picture = samples["conversation"], samples["imageMessage"]
    for name, inside in holders(kind).items():
        samples[f"a text in {name}"] = around(kind, name, inside, text)
        samples[f"a picture in {name} in ephemeralMessage"] = around(
            kind, "ephemeralMessage", "message", around(kind, name, inside, picture)
        )
    async with open_whatsapp_engine(whatsapp, tmp_path) as engine:
        alice, _ = await link(engine, whatsapp)
        bob = whatsapp.phone(BOB, "Bob")
        with trio.fail_after(PATIENCE * 2):
            sent = {bob.send(alice, Draft(message)).id: name for name, message in samples.items()}
            last = bob.send_text(alice, "the last one")
            await event_where(engine, lambda event: event.body.get("message_id") == last.id)
            found: dict[str, list[str]] = {name: [] for name in samples}
            async for event in engine.events():
                body = event.body
                if body.get("message_id") == last.id:
                    break
                if name := next((sent[part] for part in event.key.split("/") if part in sent), ""):
                    words = body.get("text") or body.get("reason") or body.get("kind") != "text"
                    understood = body.get("kind") not in ("", None, "unknown") and words
                    found[name].append("fine" if event.type in ABOUT_OTHERS or understood else f"{event.type} {body}")
    assert {name: events for name, events in found.items() if events != ["fine"]} == {}
    assert len(found) > 150
