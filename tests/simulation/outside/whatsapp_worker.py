"""The simulated worker process of WhatsApp: answers the engine's frames as a worker with the library would."""

from __future__ import annotations

from typing import Any

import trio

from rookery_whatsapp import protocol as p
from rookery_whatsapp.settings import WorkerSettings
from rookery_whatsapp.worker_pool.process import WorkerProcess

from ..machines import Process
from ..world import PROCESS, Crashed, Mailbox
from .whatsapp import Client, Phone, WhatsApp

CALM = WorkerSettings(
    beat=600.0,
    silence=6000.0,
    idle=300.0,
    watch=120.0,
    zombie=200.0,
    offline=300.0,
    connecting=45.0,
    sessions_per_worker=3,
)


class _Dead:
    """What `subprocess` would say of the process."""

    def __init__(self, worker: SimulatedWorker) -> None:
        self._worker = worker

    @property
    def returncode(self) -> int | None:
        return self._worker.code

    def poll(self) -> int | None:
        return self._worker.code

    def send_signal(self, _: int) -> None:
        self._worker.die("killed by its engine")


class SimulatedWorker(WorkerProcess):
    """Stands for `WorkerProcess`: the same engine's side, and a process that is no process."""

    model: WhatsApp  # set by the run

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.code: int | None = None
        self.clients: dict[int, Client] = {}
        self._until: float | None = None  # when other engines may take over
        self._mail = Mailbox()
        process = PROCESS.get()
        assert process is not None
        self.process: Process = process
        process.workers.append(self)

    @property
    def dead(self) -> bool:
        return self.code is not None

    def say(self, frame: Any) -> None:
        """From the worker to the engine."""
        if not self.dead:
            self.model.world.after(0.001, self._arrive, frame)

    def _arrive(self, frame: Any) -> None:
        if not self.dead:
            self._mail.put(frame)

    def die(self, why: str) -> None:
        """The process is gone."""
        if self.dead:
            return
        self.code = -9
        self.end = self.end or why
        for client in list(self.clients.values()):
            client.die()
        self._mail.close()

    async def run(self) -> None:
        if self.model.world.over:
            raise Crashed
        self.model.pids += 1
        self.pid = self.model.pids
        self._process: Any = _Dead(self)
        self.model.world.after(0.5 + self.model.chance.random(), self.say, p.Hello(p.VERSION, "simulated", self.pid))
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._pass_on)
                while frames := await self._mail.take():
                    for frame in frames:
                        self._handle(frame)
                nursery.cancel_scope.cancel()
        finally:
            self.die("its engine does not listen any more")
            self._finish()

    async def _pass_on(self) -> None:
        async for frame in self._to_write:
            self.model.world.after(0.001, self._take, frame)

    def _take(self, frame: Any) -> None:
        """In the worker."""
        if self.dead:
            return
        match frame:
            case p.Start():
                self._start(frame)
            case p.Stop():
                if client := self.clients.get(frame.client):
                    client.stop()
            case p.Stored():
                if client := self.clients.get(frame.client):
                    client.stored(frame.number)
            case p.Ping():
                if self._until is None and frame.until is not None:
                    self.model.world.at(frame.until, self._end_with_lease)
                self._until = frame.until
            case p.Quit():
                for client in list(self.clients.values()):
                    client.die()
                self.code = 0
                self._mail.close()
            case p.WorkerCall():
                self._answer(frame)

    def _end_with_lease(self) -> None:
        """Unless its engine would have told it of a longer lease by now; pings every half second would cost too much."""
        if self.dead or self._until is None:
            return
        if self.process.running and not self.process.paused:
            self._until = self.lease_end()
        if self._until is None:
            return
        if self._until > self.model.world.now:
            self.model.world.at(self._until, self._end_with_lease)
        else:
            self.die("its engine's lease ended")

    def _start(self, start: p.Start) -> None:
        model = self.model
        phone = model.by_session[start.session]
        client = self.clients[start.client] = Client(self, start, phone)
        way = 0.1 + model.chance.random()
        client.give()
        if self.process.machine.platform in ("refuse", "hang"):
            model.world.after(way, client.tell, "disconnected")
            client.end("no network")
        elif start.jid is None:
            client.tell("qr", code=f"code {start.client}")
            model.world.after(30.0, self._scan, client)
        else:
            client.tell("opened", jid=start.jid, lid="", name="A")
            model.world.after(way, client.online_now)

    def _scan(self, client: Client) -> None:
        phone = client.phone
        if self.dead or client.stopping or client.paired or client.number not in self.clients:
            return
        phone.asked += 1
        if phone.passkey:
            client.tell("qr_ended", status="passkey request")
            client.end()
        elif phone.asked % 3 or self.model.world.now < phone.ignored_until:
            client.tell("qr_ended", status="timeout")
            client.end()
        else:
            self._link(client)

    def _link(self, client: Client) -> None:
        phone = client.phone
        if self.dead or client.stopping or client.paired or client.number not in self.clients:
            return
        client.paired = True
        phone.devices += 1
        phone.jid, phone.linked = f"{phone.number}:{phone.devices}@s.whatsapp.net", True
        self.model.database.observer.may_disable.discard(phone.session)
        client.tell("paired", jid=phone.jid, lid="", name="A")
        self.model.world.after(1.0, client.online_now)

    def _answer(self, call: p.WorkerCall) -> None:
        client, model = self.clients.get(call.client), self.model
        answer: Any = p.Reply(call.call, None)
        match call.method:
            case "flags":
                online = client is not None and client.online
                half_dead = client is not None and model.world.now < client.phone.half_dead_until
                answer = p.Reply(call.call, (online, online and not half_dead))
            case "probe" if client is not None and client.online and model.world.now < client.phone.half_dead_until:
                answer = p.Failed(call.call, "unknown", "info query timed out")
            case "pair_phone" if client is None:
                answer = p.Failed(call.call, "not_connected", "not connected")
            case "pair_phone":
                assert client is not None
                answer = p.Reply(call.call, "ABCD-1234")
                if client.phone.types:
                    model.world.after(20.0, self._link, client)
            case "send" if client is None or not client.online:
                answer = p.Failed(call.call, "not_connected", "not connected")
            case "send":
                assert client is not None
                text = call.arguments["content"]["text"].strip("<>")
                if text.startswith("bad"):
                    answer = p.Failed(call.call, "rejected", "server returned error 463")
                else:
                    self._sent(client.phone, text)
                    answer = p.Reply(call.call, {"id": f"id {text}", "time": int(model.world.wall), "chat": ""})
                    if model.chance.random() < 0.02:
                        answer = p.Failed(call.call, "unknown", "timed out")
        model.world.after(0.05, self.say, answer)

    def _sent(self, phone: Phone, text: str) -> None:
        phone.arrived[text] += 1
        self.model.world.tell(f"{phone.session}: {text} is sent")
        if phone.arrived[text] > 1:
            self.model.world.violate(f"{text} of {phone.session} was sent {phone.arrived[text]} times")
