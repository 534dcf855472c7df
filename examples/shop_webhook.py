"""The shop of shop_bot.py as the consumer of a webhook: Rookery runs the bot, this program only answers.

ROOKERY_URL=http://127.0.0.1:8080 ROOKERY_API_KEY=... SHOP_PORT=9000 python examples/shop_webhook.py

The session `shop` must exist. What this program answers to a delivery, Rookery sends, once even if the delivery is repeated.
"""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from rookery_client import BadSignature, Client, Event, verify

SHOP = "shop"
KEYBOARD = {"inline_keyboard": [[{"text": "A pot of tea (5 stars)", "callback_data": "tea"}]]}
PRICES = [{"label": "Tea", "amount": 5}]
TEA: dict[str, Any] = {"title": "Tea", "description": "A pot of tea", "currency": "XTR", "prices": PRICES}
PICTURES = [{"type": "image", "url": f"https://example.org/tea-{number}.jpg"} for number in (1, 2)]


def answer(event: Event) -> dict[str, Any]:
    """The messages to send to the event's chat, and the methods to call. Answers to queries overtake all sends."""
    match event.type, event.body.get("kind"):
        case "message", "text":
            return {"messages": [{"text": "What next?", "reply_markup": KEYBOARD}]}
        case "callback_query", _:
            done = {"method": "answerCallbackQuery", "params": {"callback_query_id": event.body["id"]}}
            return {"messages": [{"type": "invoice", "payload": event.body["data"], **TEA}], "calls": [done]}
        case "pre_checkout_query", _:
            params = {"pre_checkout_query_id": event.body["id"], "ok": True}
            return {"calls": [{"method": "answerPreCheckoutQuery", "params": params}]}
        case "message", "successful_payment":
            return {"messages": [{"type": "album", "items": PICTURES}]}
    return {}


def main() -> None:
    client = Client(os.environ["ROOKERY_URL"], os.environ.get("ROOKERY_API_KEY"))

    class Deliveries(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            try:
                reply = json.dumps(answer(verify(body, dict(self.headers), webhook["secret"]))).encode()
            except BadSignature:
                self.send_error(401)
            else:
                self.send_response(200)
                self.send_header("Content-Length", str(len(reply)))
                self.end_headers()
                self.wfile.write(reply)

    with ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("SHOP_PORT", "9000"))), Deliveries) as server:
        url, events = f"http://127.0.0.1:{server.server_port}/", ["message", "callback_query", "pre_checkout_query"]
        webhook = client.create_webhook(url, session=SHOP, events=events, replies=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
