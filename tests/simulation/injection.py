"""Carries faults out, and mends what they broke."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from rookery.model import SessionChange

from .faults import OF_BOTS, OF_ENDPOINTS, OF_MACHINES, WHOLE, Fault
from .machines import Machine, Process
from .outside.whatsapp import Phone

if TYPE_CHECKING:
    from .life import Life

RESTART_PAUSE = 3.0  # seconds after which a killed process is there again
REVOKED_FOR = 90.0  # seconds until an operator has the new token


class Injector:
    """Of one life."""

    def __init__(self, life: Life) -> None:
        self._life = life
        self._world = life.world
        self._mended = False
        self.meetings: Counter[tuple[str, str]] = Counter()

    def apply(self, fault: Fault) -> None:
        """The fault begins."""
        life, world = self._life, self._world
        world.tell(f"fault: {fault.kind} {fault.target} for {fault.seconds}")
        machine = life.machines[fault.target % len(life.machines)]
        session = life.sessions[fault.target % len(life.sessions)]
        bots, phones = list(life.telegram.by_session.values()), list(life.whatsapp.by_session.values())
        bot = bots[fault.target % len(bots)]
        phone = phones[fault.target % len(phones)]
        if fault.kind.startswith("phone"):
            session = phone.session
        elif fault.kind in OF_BOTS:
            session = bot.session
        self._meet(fault, machine, session)
        match fault.kind:
            case "kill":
                machine.kill()
                world.after(RESTART_PAUSE + fault.seconds, self._start, machine)
            case "deploy":  # the new one starts while the old one stops
                self._deploy(machine)
            case "pause":
                machine.pause()
                world.after(fault.seconds, machine.resume)
            case "clock_jump":
                machine.skew += fault.amount
            case "lag":
                self._set(machine, "lag", 20.0, 1.0, fault.seconds)
            case "database_refuses" | "database_hangs" | "database_slow" | "database_lossy":
                mode = {"refuses": "refuse", "hangs": "hang"}.get(fault.kind[9:], fault.kind[9:])
                for each in life.machines:
                    self._set(each, "database", mode, "up", fault.seconds)
            case "split_refuse" | "split_hang":
                self._set(machine, "database", fault.kind[6:], "up", fault.seconds)
            case "deaf":
                self._set(machine, "deaf", True, False, 10 * fault.seconds)
            case "network_refuses" | "network_hangs" | "network_lossy":
                mode = {"refuses": "refuse", "hangs": "hang"}.get(fault.kind[8:], fault.kind[8:])
                self._set(machine, "platform", mode, "up", fault.seconds)
            case "bot_blind":
                self._set(bot, "mode", "blind", "up", 5 * fault.seconds)
            case "bot_elsewhere":
                self._set(bot, "mode", "elsewhere", "up", fault.seconds)
            case "bot_busy" | "bot_broken" | "bot_garbage":
                self._set(bot, "mode", fault.kind[4:], "up", fault.seconds)
            case "stranger":
                bot.stranger_until = world.now + fault.seconds
            case "replay":
                life.telegram.replay(bot, 1 + int(fault.seconds) % 5)
            case "revoke":
                life.telegram.revoke(bot)
                world.after(REVOKED_FOR, self._new_token, session)
            case "phone_worker_dies":
                if phone.client is not None:
                    phone.client.worker.die("killed")
            case "phone_cut":
                if (client := phone.client) is not None:
                    client.leave()
                    client.tell("disconnected")
                    world.after(fault.seconds, client.online_now)
            case "phone_replaced":
                if (client := phone.client) is not None:
                    client.tell("replaced")
                    client.gone()
            case "phone_unlinked":
                life.whatsapp.unlink(phone)
            case "phone_banned":
                self._end(phone, "banned", code=4, seconds=3600)
            case "phone_locked":
                life.whatsapp.unlink(phone, reason=403)
            case "phone_outdated":
                self._end(phone, "outdated")
            case "phone_refused":
                self._end(phone, "refused", reason=503, message="service unavailable")
            case "phone_half_dead":
                phone.half_dead_until = world.now + 5 * fault.seconds
            case "phone_types_code" | "phone_forgets_code" | "phone_ignores_codes" | "phone_has_passkey":
                self._link_anew(phone, fault)
            case _ if fault.kind in OF_ENDPOINTS:
                endpoint = life.endpoints.of(f"hook{fault.target}")
                mode = {"fails": "fail", "hangs": "hang"}.get(fault.kind[9:], fault.kind[9:])
                self._set(endpoint, "mode", mode, "up", 2 * fault.seconds)
            case _:
                life.clients.verb(fault.kind.removeprefix("verb_"), session)

    @staticmethod
    def _end(phone: Phone, notice: str, **detail: object) -> None:
        """The server ends the connection and says why."""
        if (client := phone.client) is not None:
            client.tell(notice, **detail)
            client.gone()

    def _link_anew(self, phone: Phone, fault: Fault) -> None:
        """The owner removes the device, and an operator starts the session, so that a person has to link it again."""
        life, world = self._life, self._world
        if phone.linked:
            life.whatsapp.unlink(phone)
        match fault.kind:
            case "phone_ignores_codes":
                phone.ignored_until = world.now + 5 * fault.seconds
            case "phone_has_passkey":
                phone.passkey = True
            case _:
                phone.types = fault.kind == "phone_types_code"
                for delay in (40.0, 100.0, 160.0):
                    world.after(delay, life.clients.ask_code, phone.session, phone.number)
        world.after(15.0, life.clients.verb, "start", phone.session)

    def _meet(self, fault: Fault, machine: Machine, session: str) -> None:
        status = self._life.database.observer.status
        if fault.kind in WHOLE or fault.kind in OF_ENDPOINTS:
            met = set(status.values())
        elif machine.process is not None and fault.kind in OF_MACHINES:
            name = machine.process.name
            met = {status[one] for one in self._life.sessions if self._life.database.owner_of(one)[0] == name}
        else:
            met = {status[session]}
        for one in met:
            self.meetings[fault.kind, one.partition("/")[0]] += 1

    def _set(self, thing: object, name: str, value: object, normal: object, seconds: float) -> None:
        setattr(thing, name, value)

        def end() -> None:
            if getattr(thing, name) == value:
                setattr(thing, name, normal)

        self._world.after(seconds, end)

    def _start(self, machine: Machine) -> None:
        if machine.process is None and not self._world.over:
            machine.start()

    def _deploy(self, machine: Machine) -> None:
        old = machine.process
        if old is None or not old.running:
            return
        machine.ask_to_stop()
        if len(self._life.machines) > 1:
            machine.process = None
            machine.start()
        else:  # the file is one engine's at a time
            self._await_end(machine, old)

    def _await_end(self, machine: Machine, old: Process) -> None:
        if old.ended.is_set():
            self._start(machine)
        elif machine.process is old:
            self._world.after(0.5, self._await_end, machine, old)

    def _new_token(self, session: str) -> None:
        token = self._life.telegram.by_session[session].token
        process = self._life.clients.somebody()
        if process is not None and session not in self._life.clients.deleted:
            process.spawn(self._replace_token, process, session, token)
        elif session not in self._life.clients.deleted:
            self._world.after(REVOKED_FOR, self._new_token, session)

    async def _replace_token(self, process: Process, session: str, token: str) -> None:
        assert process.engine is not None
        try:
            await process.engine.update_session(session, SessionChange(credentials={"token": token}))
        except Exception as error:
            self._world.tell(f"the new token of {session} could not be stored: {error}")
            self._world.after(REVOKED_FOR, self._new_token, session)

    def mend(self) -> None:
        """From here on, nothing fails."""
        world, life = self._world, self._life
        world.tell("everything is mended")
        for machine in life.machines:
            machine.database = machine.platform = "up"
            machine.deaf, machine.lag = False, 1.0
            machine.resume()
            self._start(machine)
        for bot in life.telegram.by_session.values():
            bot.mode, bot.stranger_until = "up", -1.0
        for phone in life.whatsapp.by_session.values():
            phone.half_dead_until = phone.ignored_until = -1.0
            phone.passkey = False
        for endpoint in life.endpoints.by_webhook.values():
            endpoint.mode = "up"

    def revive(self) -> None:
        """Operators start what gave up, with the tokens that are valid, and what they stopped."""
        for session in self._life.telegram.by_session:
            self._new_token(session)
        for session in self._life.sessions:
            self._world.after(60.0, self._life.clients.verb, "start", session)
