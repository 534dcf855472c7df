"""The documentation page: the OpenAPI description as plain HTML. No script, no font, and no other host."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html import escape
from typing import Any

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8882; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { margin-bottom: 0 } h2 { margin-top: 3rem; border-bottom: 1px solid var(--line) } h3 { margin: 1rem 0 .25rem }
details { border: 1px solid var(--line); border-radius: .5rem; margin: .5rem 0; padding: .5rem .75rem }
details details { border: 0; padding: 0; margin: .25rem 0 }
summary { cursor: pointer } summary code { font-weight: 600 }
.verb { display: inline-block; min-width: 4.5rem; font: 600 .8rem ui-monospace, monospace }
.get { color: #2a7ae2 } .post { color: #1a8f4a } .patch { color: #b7791f } .delete { color: #d33a3a }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 } td, th { text-align: left; vertical-align: top;
  padding: .25rem .75rem .25rem 0; border-top: 1px solid var(--line); overflow-wrap: break-word }
pre { background: var(--soft); border-radius: .5rem; padding: .75rem; overflow-x: auto } code { font-size: .9em }
"""

Document = dict[str, Any]


def page(description: Document) -> str:
    """The whole page."""
    parts = [_introduction(description)]
    for tag in description["tags"]:
        parts.append(f"<h2 id='{escape(tag['name'])}'>{escape(tag['name'])}</h2><p>{_prose(tag['description'])}</p>")
        for path, operations in description["paths"].items():
            for method, operation in operations.items():
                if tag["name"] in operation["tags"]:
                    parts.append(_operation(method, path, operation, description))
    parts.append(_event_types(description))
    parts.append("<h2 id='schemas'>schemas</h2>")
    for name, schema in description["components"]["schemas"].items():
        parts.append(
            f"<details id='schema-{escape(name)}'><summary><code>{escape(name)}</code></summary>{_json(schema)}</details>"
        )
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>Rookery API</title><style>{STYLE}</style></head><body>{''.join(parts)}</body></html>"
    )


def _introduction(description: Document) -> str:
    info = description["info"]
    links = " · ".join(f"<a href='#{escape(tag['name'])}'>{escape(tag['name'])}</a>" for tag in description["tags"])
    key = ""
    for scheme in description["components"].get("securitySchemes", {}).values():
        key = (
            f"<p>Send <code>Authorization: Bearer KEY</code> with every call: {escape(scheme['description'])}. "
            "What a key has to be allowed is said with each call.</p>"
        )
    return (
        f"<h1>{escape(info['title'])} {escape(info['version'])}</h1><p>{escape(info['summary'])} "
        f"{escape(info['description'])} The machine-readable form is <a href='openapi.json'>openapi.json</a>.</p>"
        f"{key}<p>{links} · <a href='#event-types'>event types</a> · <a href='#schemas'>schemas</a></p>"
    )


def _event_types(description: Document) -> str:
    """The event types of the log, in the form that webhooks receive."""
    rows = []
    for name, methods in description["webhooks"].items():
        schema = methods["post"]["requestBody"]["content"]["application/json"]["schema"]
        summary = _prose(methods["post"]["summary"])
        rows.append(f"<tr><td><code>{escape(name)}</code></td><td>{summary}</td><td>{_kind(schema)}</td></tr>")
    return (
        "<h2 id='event-types'>event types</h2><p>What streams carry and webhooks are sent. The machine-readable form is "
        "<a href='asyncapi.json'>asyncapi.json</a>.</p>"
        f"<table><tr><th>type</th><th></th><th>a webhook is sent</th></tr>{''.join(rows)}</table>"
    )


def _operation(method: str, path: str, operation: Document, description: Document) -> str:
    parts = [
        f"<details id='{escape(operation['operationId'])}'><summary><span class='verb {method}'>{method.upper()}</span>"
        f"<code>{escape(path)}</code> {_prose(operation['summary'])}</summary>"
    ]
    parts += [f"<p>{_prose(text)}</p>" for text in operation.get("description", "").split("\n\n") if text]
    parts.append(_security(operation, description))
    if "parameters" in operation:
        rows = "".join(
            f"<tr><td><code>{escape(item['name'])}</code></td><td>{escape(item['in'])}</td>"
            f"<td>{_kind(item['schema'])}</td><td>{_prose(item.get('description', ''))}</td>"
            f"<td><code>{escape(_plain(item.get('example', '')))}</code></td></tr>"
            for item in operation["parameters"]
        )
        parts.append(
            f"<table><tr><th>parameter</th><th>in</th><th>type</th><th></th><th>for example</th></tr>{rows}</table>"
        )
    if "requestBody" in operation:
        bodies = operation["requestBody"]["content"]
        wanted = "" if operation["requestBody"]["required"] else " (may be left out)"
        forms = (_kind(body["schema"], "" if kind == "application/json" else kind) for kind, body in bodies.items())
        parts.append(f"<h3>Body</h3><p>{' or '.join(forms)}{wanted}</p>")
        for name, example in bodies.get("application/json", {}).get("examples", {}).items():
            parts.append(f"<details><summary>{escape(name)}</summary>{_json(example['value'])}</details>")
    parts.append("<h3>Answers</h3><table><tr><th>status</th><th></th><th></th></tr>")
    for status, answer in operation["responses"].items():
        answer = _resolved(answer, description)
        kinds = ", ".join(_kind(content["schema"], media) for media, content in answer.get("content", {}).items())
        text = _prose(answer["description"]) + "".join(_answer_examples(answer))
        parts.append(f"<tr><td>{status}</td><td>{text}</td><td>{kinds}</td></tr>")
    parts.append("</table></details>")
    return "".join(parts)


def _security(operation: Document, description: Document) -> str:
    if "security" not in description:
        return ""
    wanted = operation.get("security", description["security"])
    scope = operation.get("x-scope")
    needed = "no key" if not wanted else f"a key with the scope <code>{escape(scope)}</code>" if scope else "a key"
    return f"<p>Needs {needed}.</p>"


def _answer_examples(answer: Document) -> Iterator[str]:
    for media, content in answer.get("content", {}).items():
        if "example" in content:
            example = content["example"]
            shown = f"<pre>{escape(example)}</pre>" if isinstance(example, str) else _json(example)
            yield f"<details><summary>{escape(media)}</summary>{shown}</details>"


def _resolved(answer: Document, description: Document) -> Document:
    """The shared answer that a reference names."""
    if "$ref" not in answer:
        return answer
    found: Document = description["components"]["responses"][answer["$ref"].rpartition("/")[2]]
    return found


def _json(value: Any) -> str:
    return f"<pre>{escape(json.dumps(value, indent=2, ensure_ascii=False))}</pre>"


def _prose(text: str) -> str:
    """Text with its `marked` words as code."""
    return re.sub("`([^`]*)`", r"<code>\1</code>", escape(text))


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _kind(schema: Document, media: str = "") -> str:
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f"<a href='#schema-{name}'>{name}</a>"
    if "enum" in schema:
        return escape(" | ".join(map(str, schema["enum"])))
    kind = "" if media and media != "application/json" else str(schema.get("type", ""))
    limits = [
        f"{word} {schema[name]}"
        for name, word in (("minimum", "from"), ("maximum", "to"), ("default", "default"))
        if name in schema
    ]
    if "pattern" in schema:
        limits.append(f"<code>{escape(schema['pattern'])}</code>")
    return " ".join([escape(kind or media), *limits])
