"""Bots and WhatsApp accounts of a running server: made, linked, written to, and counted afterwards."""

from __future__ import annotations

from collections import Counter

import trio

from rookery_simulator.bot_api import BotApiSimulator, SimulatedBot
from rookery_simulator.whatsapp import LinkedDevice, WhatsAppSimulator

from .served import Served

FRIEND = "4915299999999"
PATIENCE = 120.0  # seconds for all accounts to be linked
UNPACED = {"sends_per_second": 0, "sends_per_second_per_chat": 0}


class Accounts:
    """`bots` and `devices` by session. `written` is every text that somebody wrote to a session."""

    def __init__(self, server: Served, telegram: BotApiSimulator, whatsapp: WhatsAppSimulator) -> None:
        self.server = server
        self.telegram = telegram
        self.whatsapp = whatsapp
        self.bots: dict[str, SimulatedBot] = {}
        self.devices: dict[str, LinkedDevice] = {}
        self.written: dict[str, list[str]] = {}
        self._number = 0

    @property
    def sessions(self) -> list[str]:
        return [*self.bots, *self.devices]

    async def open(self, bots: int, phones: int) -> None:
        """Make them all and wait until they are connected."""
        self.bots = {f"bot-{n:03}": self.telegram.new_bot() for n in range(bots)}
        for id, bot in self.bots.items():
            document = {"id": id, "platform": "telegram", "credentials": {"token": bot.token}, "settings": UNPACED}
            await self.server.call("POST", "/v1/sessions", document)
        with trio.fail_after(PATIENCE):
            async with trio.open_nursery() as nursery:
                for n in range(phones):
                    nursery.start_soon(self._link, f"phone-{n:02}", f"49151{n:08}")
            await self.wait_until_connected()
        self.written = {id: [] for id in self.sessions}

    async def _link(self, id: str, number: str) -> None:
        phone = self.whatsapp.phone(number)
        await self.server.call("POST", "/v1/sessions", {"id": id, "platform": "whatsapp", "settings": UNPACED})
        while True:
            answer = await self.server.api.get(f"/v1/sessions/{id}/qr")
            if answer.status_code == 200:
                break
            await trio.sleep(0.1)
        self.devices[id] = await phone.scan(answer.json()["code"])
        await self.devices[id].wait_active()

    async def statuses(self) -> dict[str, str]:
        """What each session says of itself."""
        page = await self.server.call("GET", "/v1/sessions?limit=500")
        return {session["id"]: session["status"] for session in page["sessions"]}

    async def down(self) -> list[str]:
        """Those that are not connected; for an account, as its server sees it too."""
        statuses = await self.statuses()
        return [
            id
            for id in self.sessions
            if statuses.get(id) != "CONNECTED" or (id in self.devices and not self.devices[id].is_active)
        ]

    async def wait_until_connected(self) -> None:
        """The caller brings the deadline."""
        while await self.down():
            await trio.sleep(0.1)

    def write(self, id: str) -> None:
        """Somebody writes to the session."""
        self._number += 1
        text = f"text {self._number}"
        self.written[id].append(text)
        if id in self.bots:
            self.bots[id].push_text(text, chat_id=self._number % 5 + 1)
        else:
            self.whatsapp.phone(FRIEND).send_text(self.devices[id].phone, text)

    async def send(self, id: str, *, wait: float = 0) -> None:
        """The session writes to somebody. Raises httpx.HTTPError."""
        to = "7" if id in self.bots else FRIEND
        self._number += 1
        document = {"to": to, "text": f"answer {self._number}"}
        await self.server.call("POST", f"/v1/sessions/{id}/messages?wait={wait:g}", document)

    async def sends(self) -> Counter[str]:
        """How many sends are in which state."""
        states: Counter[str] = Counter()
        for id in self.sessions:
            before = ""
            while True:
                page = await self.server.call("GET", f"/v1/sessions/{id}/messages?limit=500{before}")
                states.update(message["state"] for message in page["messages"])
                if page["next"] is None:
                    break
                before = f"&before={page['next']}"
        return states

    async def wait_until_heard(self) -> None:
        """Write to every session and return when each has received it. The caller brings the deadline."""
        after = (await self._last_event()) or 0
        for id in self.sessions:
            self.write(id)
        deaf = {id: self.written[id][-1] for id in self.sessions}
        while deaf:
            page = await self.server.call("GET", f"/v1/events?type=message&limit=500&after={after}")
            for event in page["events"]:
                after = event["id"]
                if deaf.get(event["session"]) == event["body"]["text"]:
                    del deaf[event["session"]]
            if page["next"] is None:
                await trio.sleep(0.1)

    async def _last_event(self) -> int | None:
        last: int | None = None
        while events := (await self.server.call("GET", f"/v1/events?limit=500&after={last or 0}"))["events"]:
            last = events[-1]["id"]
        return last

    async def received(self, platform: str) -> tuple[int, int, int]:
        """(written, lost, stored twice) of one platform's texts, as the event log has them."""
        chosen = self.bots if platform == "telegram" else self.devices
        stored: dict[str, Counter[str]] = {id: Counter() for id in chosen}
        after = 0
        while True:
            page = await self.server.call("GET", f"/v1/events?type=message&limit=500&after={after}")
            for event in page["events"]:
                if event["session"] in stored:
                    stored[event["session"]][event["body"]["text"]] += 1
            if page["next"] is None:
                break
            after = page["next"]
        written = sum(len(self.written[id]) for id in chosen)
        lost = sum(stored[id][text] == 0 for id in chosen for text in self.written[id])
        twice = sum(count - 1 for texts in stored.values() for count in texts.values())
        return written, lost, twice
