"""Messages of businesses, and people's replies to them."""

from __future__ import annotations

import json
from typing import Any

Body = dict[str, Any]


def button_reply(part: Any, body: Body) -> None:
    """A button was pressed."""
    body["text"] = part.selectedDisplayText
    body["reply"] = {"id": part.selectedButtonID, "text": part.selectedDisplayText}


def list_reply(part: Any, body: Body) -> None:
    """A row of a list was chosen."""
    body["text"] = part.title
    body["reply"] = {
        "id": part.singleSelectReply.selectedRowID,
        "text": part.title,
        "description": part.description or None,
    }


def template_reply(part: Any, body: Body) -> None:
    """A button below a template was pressed."""
    body["text"] = part.selectedDisplayText
    body["reply"] = {"id": part.selectedID, "text": part.selectedDisplayText, "index": part.selectedIndex}


def flow_reply(part: Any, body: Body) -> None:
    """A form was filled in, or another native flow ended. `data` is its answer, if that is JSON."""
    flow = part.nativeFlowResponseMessage
    try:
        data = json.loads(flow.paramsJSON)
    except (ValueError, RecursionError):
        data = None
    id = data.get("id") if isinstance(data, dict) else None
    body["text"] = part.body.text
    body["reply"] = {
        "id": id if isinstance(id, str) else flow.name,
        "text": part.body.text,
        "flow": flow.name or None,
        "data": data if isinstance(data, dict) else None,
    }


def buttons(part: Any, body: Body) -> None:
    """A text with buttons."""
    body["text"] = part.contentText or part.text
    body["buttons"] = [{"id": button.buttonID, "text": button.buttonText.displayText} for button in part.buttons]


def choices(part: Any, body: Body) -> None:
    """A text with a list to choose from."""
    body["text"] = part.description or part.title
    rows = [row for section in part.sections for row in section.rows]
    body["choices"] = [{"id": row.rowID, "text": row.title, "description": row.description or None} for row in rows]


def template(part: Any, body: Body) -> None:
    """A text that WhatsApp approved for a business, with buttons."""
    hydrated = part.hydratedTemplate if part.HasField("hydratedTemplate") else part.hydratedFourRowTemplate
    body["text"] = hydrated.hydratedContentText or part.interactiveMessageTemplate.body.text
    found = []
    for button in hydrated.hydratedButtons:
        reply = button.quickReplyButton
        found.append(
            {
                "id": reply.ID or None,
                "text": reply.displayText or button.urlButton.displayText or button.callButton.displayText,
                "url": button.urlButton.URL or None,
                "phone": button.callButton.phoneNumber or None,
            }
        )
    body["buttons"] = found


def structured(part: Any, body: Body) -> None:
    """A template in an older format."""
    if part.HasField("hydratedHsm"):
        template(part.hydratedHsm, body)
    body["template"] = {"namespace": part.namespace or None, "name": part.elementName, "values": list(part.params)}


def interactive(part: Any, body: Body) -> None:
    """A text with native flows, a shop, or a row of cards."""
    body["text"] = part.body.text
    body["title"] = part.header.title or None
    cards = part.carouselMessage.cards
    if cards:
        body["cards"] = [{"title": card.header.title or None, "text": card.body.text} for card in cards[:20]]
    body["buttons"] = [{"flow": each.name, "data": each.buttonParamsJSON} for each in part.nativeFlowMessage.buttons]


def order(part: Any, body: Body) -> None:
    """A shopping cart was ordered."""
    body["text"] = part.message
    body["order"] = {
        "id": part.orderID,
        "title": part.orderTitle or None,
        "items": part.itemCount,
        "amount": part.totalAmount1000 / 1000,
        "currency": part.totalCurrencyCode or None,
        "seller": part.sellerJID or None,
    }


def product(part: Any, body: Body) -> None:
    """One product of a catalogue."""
    article = part.product
    body["text"] = part.body or article.title
    body["product"] = {
        "id": article.productID,
        "title": article.title or None,
        "description": article.description or None,
        "amount": article.priceAmount1000 / 1000,
        "currency": article.currencyCode or None,
        "url": article.URL or None,
        "business": part.businessOwnerJID or None,
    }


def invoice(part: Any, body: Body) -> None:
    """An invoice."""
    body["text"] = part.note


def payment(part: Any, body: Body) -> None:
    """Money was sent."""
    body["target"] = part.requestMessageKey.ID or None


def payment_request(part: Any, body: Body) -> None:
    """Someone requests money."""
    body["payment"] = {
        "amount": part.amount1000 / 1000,
        "currency": part.currencyCodeIso4217 or None,
        "from": part.requestFrom or None,
    }
