"""Payments: invoices, the answers to shipping and pre-checkout queries, stars and their refund.

A person pays with `world.people.People.pay`. Currencies other than stars need a provider token, of which any is accepted.
"""

from __future__ import annotations

from typing import Any

from ..wire.answers import ApiError
from ..wire.parameters import Parameters
from ..world.bot import Message, SimulatedBot
from ..world.orders import STARS, Charge, Invoice, Order
from .sending import create_message, find_chat, log_call

MAX_PAYLOAD = 128


def send_invoice(bot: SimulatedBot, parameters: Parameters) -> Message:
    invoice = _invoice(parameters)
    chat = find_chat(bot, parameters)
    content = {
        "invoice": {
            "title": parameters.text("title"),
            "description": parameters.text("description"),
            "start_parameter": parameters.text("start_parameter"),
            "currency": invoice.currency,
            "total_amount": invoice.total,
        }
    }
    message = create_message(bot, "sendInvoice", chat, parameters, content, parameters.text("title"))
    if "reply_markup" not in message:
        shown = f"⭐️{invoice.total}" if invoice.currency == STARS else f"{invoice.total / 100:.2f} {invoice.currency}"
        message["reply_markup"] = {"inline_keyboard": [[{"text": f"Pay {shown}", "pay": True}]]}
    bot.invoices[chat.id, message["message_id"]] = invoice
    return message


def create_invoice_link(bot: SimulatedBot, parameters: Parameters) -> str:
    _invoice(parameters)
    number = bot.next_call_number()
    bot.actions.append(log_call(bot, "createInvoiceLink", parameters, 0, None, parameters.text("title")))
    return f"https://t.me/${bot.id}x{number}"


def answer_shipping_query(bot: SimulatedBot, parameters: Parameters) -> bool:
    id = parameters.text("shipping_query_id")
    options: list[Any] = []
    if parameters.flag("ok"):
        offered = parameters.structure("shipping_options")
        if not isinstance(offered, list) or not offered:
            raise ApiError(400, 'Bad Request: parameter "shipping_options" is required')
        options = [option for option in offered if isinstance(option, dict) and option.get("id")]
        if len(options) < len(offered):
            raise ApiError(400, "Bad Request: can't parse shipping option: expected an Object")
    elif not parameters.text("error_message"):
        raise ApiError(400, 'Bad Request: parameter "error_message" is required')
    bot.close_query("shipping_query", id)
    bot.actions.append(log_call(bot, "answerShippingQuery", parameters, 0, None, parameters.text("error_message")))
    if (order := bot.orders.pop(id, None)) is None:
        return True
    if not options:
        order.failure = parameters.text("error_message")
        return True
    order.shipping_option = str(options[0]["id"])
    order.total += sum(int(price.get("amount", 0)) for price in options[0].get("prices", ()))
    ask_to_check_out(bot, order)
    return True


def answer_pre_checkout_query(bot: SimulatedBot, parameters: Parameters) -> bool:
    id = parameters.text("pre_checkout_query_id")
    is_agreed = parameters.flag("ok")
    if not is_agreed and not parameters.text("error_message"):
        raise ApiError(400, 'Bad Request: parameter "error_message" is required')
    bot.close_query("pre_checkout_query", id)
    bot.actions.append(log_call(bot, "answerPreCheckoutQuery", parameters, 0, None, parameters.text("error_message")))
    order = bot.orders.pop(id, None)
    if order is not None and is_agreed:
        _pay(bot, order)
    elif order is not None:
        order.failure = parameters.text("error_message")
    return True


def refund_star_payment(bot: SimulatedBot, parameters: Parameters) -> bool:
    charge = bot.charges.get(parameters.text("telegram_payment_charge_id"))
    if (
        charge is None
        or charge.order.user["id"] != parameters.integer("user_id")
        or charge.order.invoice.currency != STARS
    ):
        raise ApiError(400, "Bad Request: CHARGE_ID_INVALID")
    if charge.is_refunded:
        raise ApiError(400, "Bad Request: CHARGE_ALREADY_REFUNDED")
    charge.is_refunded = True
    order = charge.order
    bot.actions.append(log_call(bot, "refundStarPayment", parameters, order.chat_id, None, order.charge))
    refunded = {
        "currency": order.invoice.currency,
        "total_amount": order.total,
        "invoice_payload": order.invoice.payload,
        "telegram_payment_charge_id": order.charge,
        "provider_payment_charge_id": charge.provider_charge,
    }
    bot.push_update(
        {"message": {"chat": bot.chat(order.chat_id).json, "from": order.user, "refunded_payment": refunded}}
    )
    return True


def get_star_transactions(bot: SimulatedBot, parameters: Parameters) -> dict[str, Any]:
    found: list[dict[str, Any]] = []
    for id, charge in bot.charges.items():
        order = charge.order
        if order.invoice.currency != STARS:
            continue
        partner = {"type": "user", "transaction_type": "invoice_payment", "user": order.user}
        partner["invoice_payload"] = order.invoice.payload
        common = {"id": id, "amount": order.total, "date": int(charge.at)}
        found.append(common | {"source": partner})
        if charge.is_refunded:
            found.append(common | {"receiver": partner})
    start, limit = parameters.integer("offset"), min(max(parameters.integer("limit", 100), 1), 100)
    return {"transactions": found[start : start + limit]}


def get_my_star_balance(bot: SimulatedBot, parameters: Parameters) -> dict[str, int]:
    paid = (charge for charge in bot.charges.values() if charge.order.invoice.currency == STARS)
    return {"amount": sum(charge.order.total for charge in paid if not charge.is_refunded)}


def ask_to_check_out(bot: SimulatedBot, order: Order) -> str:
    """Send the bot the pre-checkout query of an order and return its id."""
    id = str(bot.id << 20 | bot.next_call_number())
    query: dict[str, Any] = {
        "id": id,
        "from": order.user,
        "currency": order.invoice.currency,
        "total_amount": order.total,
        "invoice_payload": order.invoice.payload,
    }
    if order.shipping_option:
        query["shipping_option_id"] = order.shipping_option
    if order.order_info is not None:
        query["order_info"] = order.order_info
    bot.orders[id] = order
    bot.push_update({"pre_checkout_query": query})
    return id


def _pay(bot: SimulatedBot, order: Order) -> None:
    number = bot.next_call_number()
    order.charge = f"stx{bot.id}x{number}"
    charge = bot.charges[order.charge] = Charge(order, f"{order.user['id']}_{number}", bot.clock())
    payment: dict[str, Any] = {
        "currency": order.invoice.currency,
        "total_amount": order.total,
        "invoice_payload": order.invoice.payload,
        "telegram_payment_charge_id": order.charge,
        "provider_payment_charge_id": charge.provider_charge,
    }
    if order.shipping_option:
        payment["shipping_option_id"] = order.shipping_option
    if order.order_info is not None:
        payment["order_info"] = order.order_info
    message = {"chat": bot.chat(order.chat_id).json, "from": order.user, "successful_payment": payment}
    bot.push_update({"message": message})


def _invoice(parameters: Parameters) -> Invoice:
    """Raises ApiError 400."""
    for name in ("title", "description", "payload", "currency", "prices"):
        if not parameters.text(name):
            raise ApiError(400, f'Bad Request: parameter "{name}" is required')
    payload, currency = parameters.text("payload"), parameters.text("currency").upper()
    if len(payload.encode()) > MAX_PAYLOAD:
        raise ApiError(400, "Bad Request: INVOICE_PAYLOAD_INVALID")
    prices = parameters.structure("prices")
    if not isinstance(prices, list):
        raise ApiError(400, "Bad Request: can't parse prices JSON object")
    total = 0
    for price in prices:
        if (
            not isinstance(price, dict)
            or not price.get("label")
            or not str(price.get("amount", "")).lstrip("-").isdecimal()
        ):
            raise ApiError(400, "Bad Request: can't parse labeled price: expected an Object")
        total += int(price["amount"])
    if not (len(currency) == 3 and currency.isalpha()):
        raise ApiError(400, "Bad Request: CURRENCY_INVALID")
    if currency == STARS and len(prices) != 1:
        raise ApiError(400, "Bad Request: STARS_INVOICE_INVALID")
    if currency != STARS and not parameters.text("provider_token"):
        raise ApiError(400, "Bad Request: PAYMENT_PROVIDER_INVALID")
    if total <= 0:
        raise ApiError(400, "Bad Request: CURRENCY_TOTAL_AMOUNT_INVALID")
    is_flexible = parameters.flag("is_flexible") and currency != STARS
    return Invoice(payload, currency, total, parameters.integer("max_tip_amount"), is_flexible)


METHODS = {
    "sendinvoice": send_invoice,
    "createinvoicelink": create_invoice_link,
    "answershippingquery": answer_shipping_query,
    "answerprecheckoutquery": answer_pre_checkout_query,
    "refundstarpayment": refund_star_payment,
    "getstartransactions": get_star_transactions,
    "getmystarbalance": get_my_star_balance,
}
