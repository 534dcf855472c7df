"""A worker without a library: speaks the protocol, pairs at once, and does what the texts that it is to send tell it.

`notice:KIND`, `event:KEY`, `leak:MIB`, `print`, `hang`, `die`, `reject`, `unknown`, `limit`, `offline` (the first time),
`never`; any other text is sent. Sessions whose id begins with `rounds` show QR codes that are never scanned. The variable
MOCK_WORKER may say `unfit`, `future` (another version) or `mute`.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
import zlib

from rookery_whatsapp import protocol as p
from rookery_whatsapp.worker.channel import Channel


def jid_of(session: str) -> str:
    return f"49151{zlib.crc32(session.encode()):010}:7@s.whatsapp.net"


class Mock:
    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.beating = True
        self.tried: set[str] = set()
        self.numbers = 0
        self.leaked: list[bytes] = []

    def beat(self) -> None:
        while self.beating:
            self.channel.send(p.Beat(1, int(os.environ.get("MOCK_LEFTOVERS", "0"))))
            time.sleep(0.05)

    def run(self) -> None:
        threading.Thread(target=self.beat, daemon=True).start()
        for frame in self.channel.frames():
            match frame:
                case p.Start():
                    self.start(frame)
                case p.Stop():
                    self.channel.send(p.Notice(frame.client, "ended", {"error": ""}))
                case p.WorkerCall():
                    self.call(frame)
                case p.Stored():
                    print(f"stored {frame.number}", flush=True)
                case p.Quit():
                    return

    def start(self, start: p.Start) -> None:
        def tell(kind: str, **detail: object) -> None:
            self.channel.send(p.Notice(start.client, kind, detail))

        if start.session.startswith("rounds"):
            tell("qr", code=f"code {start.client}")
            tell("qr", code=f"code {start.client} again")
            if start.session != "rounds-endless":
                tell("qr_ended", status="timeout")
                tell("ended", error="")
            return
        if start.jid is None:
            tell("qr", code="code")
            tell("paired", jid=jid_of(start.session), lid="10004915100000001@lid", name="Alice")
        else:
            tell("opened", jid=start.jid, lid="", name="Alice")
        tell("connected")

    def call(self, call: p.WorkerCall) -> None:
        answer: p.Reply | p.Failed = p.Reply(call.call, None)
        if call.method == "flags":
            answer = p.Reply(call.call, (True, True))
        elif call.method == "own_name":
            answer = p.Reply(call.call, "Alice")
        elif call.method == "pair_phone":
            answer = p.Reply(call.call, "ABCD-1234")
        elif call.method == "send":
            done = self.send(call, call.arguments["content"]["text"])
            if done is None:
                return
            answer = done
        self.channel.send(answer)

    def send(self, call: p.WorkerCall, text: str) -> p.Reply | p.Failed | None:
        word, _, rest = text.partition(":")
        again, sent = text in self.tried, p.Reply(call.call, {"id": f"id-{text}", "time": int(time.time()), "chat": ""})
        self.tried.add(text)
        match word:
            case "notice":
                detail = {
                    "errors": 3,
                    "error": "",
                    "reason": 401,
                    "on_connect": False,
                    "event": "MessageEv",
                    "code": "515",
                }
                self.channel.send(p.Notice(call.client, rest, detail))
            case "event":
                self.numbers += 1
                body = (
                    b'{"kind":"text","message_id":"x","text":"hi","from_me":false,'
                    b'"chat_type":"private","sender":{"id":"a","lid":null}}'
                )
                self.channel.send(
                    p.Happened(call.client, self.numbers, "message", rest, time.time(), "a", "a", body, b"{}")
                )
            case "leak":
                self.leaked.append(os.urandom(int(rest) * 1024 * 1024))
            case "print":
                for stream in (sys.stdout, sys.stderr):
                    stream.write("x" * 100_000 + "\n" + "nonsense\n" * 20_000)
                    stream.flush()
            case "hang":
                self.beating = False
                threading.Event().wait()
            case "die":
                os._exit(3)
            case "reject":
                return p.Failed(call.call, "rejected", "server returned error 463")
            case "unknown":
                return p.Failed(call.call, "unknown", "timed out")
            case "limit" if not again:
                return p.Failed(call.call, "rate_limited", "server returned error 429")
            case "offline" if not again:
                return p.Failed(call.call, "not_connected", "websocket not connected")
            case "never":
                return None
        return sent


if __name__ == "__main__":
    channel = Channel(socket.socket(fileno=int(sys.argv[1])))
    assert isinstance(next(channel.frames()), p.Welcome)
    mode = os.environ.get("MOCK_WORKER", "")
    if mode == "mute":
        time.sleep(60)
    elif mode == "unfit":
        channel.send(p.Unfit("neonize is not installed: install Rookery with its extra `whatsapp`"))
    else:
        channel.send(p.Hello(99 if mode == "future" else p.VERSION, "mock", os.getpid()))
        Mock(channel).run()
