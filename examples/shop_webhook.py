"""The shop of shop_bot.py as the consumer of a webhook: Rookery runs the bot, this program only answers.

ROOKERY_URL=http://127.0.0.1:8080 ROOKERY_API_KEY=... SHOP_PORT=9000 python examples/shop_webhook.py

The session `shop` must exist. What this program answers to a delivery, Rookery sends, once even if the delivery is repeated.
"""

import json
import os
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from rookery_client import BadSignature, Client, ClientError, Event, Refused, verify

SHOP = "shop"
KEYBOARD = {"inline_keyboard": [[{"text": "A pot of tea (5 stars)", "callback_data": "tea"}]]}
PRICES = [{"label": "Tea", "amount": 5}]
TEA: dict[str, Any] = {"title": "Tea", "description": "A pot of tea", "currency": "XTR", "prices": PRICES}
PICTURES = [{"type": "image", "url": f"https://example.org/tea-{number}.jpg"} for number in (1, 2)]


def answer(client: Client, event: Event) -> list[dict[str, Any]]:
    """Act on one event; returns the messages to send to its chat."""
    match event.type, event.body.get("kind"):
        case "message", "text":
            return [{"text": "What would you like?", "reply_markup": KEYBOARD}]
        case "callback_query", _:
            call(client, "answerCallbackQuery", callback_query_id=event.body["id"])
            return [{"type": "invoice", "payload": event.body["data"], **TEA}]
        case "pre_checkout_query", _:
            call(client, "answerPreCheckoutQuery", pre_checkout_query_id=event.body["id"], ok=True)
        case "message", "successful_payment":
            return [{"type": "album", "items": PICTURES}]
    return []


def call(client: Client, method: str, **params: Any) -> None:
    """Answer a query at once, past all sends: it waits for seconds only. One that is too old or answered is passed over."""
    with suppress(Refused):
        client.call(SHOP, method, **params)


def main() -> None:
    client = Client(os.environ["ROOKERY_URL"], os.environ.get("ROOKERY_API_KEY"))

    class Deliveries(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            try:
                messages = answer(client, verify(body, dict(self.headers), webhook["secret"]))
            except ClientError as error:  # when it is no forgery, Rookery will deliver the event again
                self.send_error(401 if isinstance(error, BadSignature) else 503)
            else:
                reply = json.dumps({"messages": messages}).encode()
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
