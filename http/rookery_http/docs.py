"""The documentation page: the OpenAPI description as plain HTML. No script, no font and no address but our own."""

from __future__ import annotations

import json
from html import escape
from typing import Any

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8882; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { margin-bottom: 0 } h2 { margin-top: 3rem; border-bottom: 1px solid var(--line) }
details { border: 1px solid var(--line); border-radius: .5rem; margin: .5rem 0; padding: .5rem .75rem }
summary { cursor: pointer } summary code { font-weight: 600 }
.verb { display: inline-block; min-width: 4.5rem; font: 600 .8rem ui-monospace, monospace }
.get { color: #2a7ae2 } .post { color: #1a8f4a } .patch { color: #b7791f } .delete { color: #d33a3a }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 } td, th { text-align: left; vertical-align: top;
  padding: .25rem .75rem .25rem 0; border-top: 1px solid var(--line) }
pre { background: var(--soft); border-radius: .5rem; padding: .75rem; overflow-x: auto } code { font-size: .9em }
"""


def page(description: dict[str, Any]) -> str:
    """The whole page."""
    parts = [_introduction(description)]
    for tag in description["tags"]:
        parts.append(f"<h2 id='{escape(tag['name'])}'>{escape(tag['name'])}</h2><p>{escape(tag['description'])}</p>")
        for path, operations in description["paths"].items():
            for method, operation in operations.items():
                if tag["name"] in operation["tags"]:
                    parts.append(_operation(method, path, operation))
    parts.append("<h2 id='schemas'>schemas</h2>")
    for name, schema in description["components"]["schemas"].items():
        text = escape(json.dumps(schema, indent=2, ensure_ascii=False))
        parts.append(
            f"<details id='schema-{escape(name)}'><summary><code>{escape(name)}</code></summary><pre>{text}</pre></details>"
        )
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>Rookery API</title><style>{STYLE}</style></head><body>{''.join(parts)}</body></html>"
    )


def _introduction(description: dict[str, Any]) -> str:
    info = description["info"]
    links = " · ".join(f"<a href='#{escape(tag['name'])}'>{escape(tag['name'])}</a>" for tag in description["tags"])
    key = "<p>Send <code>Authorization: Bearer KEY</code> with every call.</p>" if "security" in description else ""
    return (
        f"<h1>{escape(info['title'])} {escape(info['version'])}</h1><p>{escape(info['summary'])} "
        f"{escape(info['description'])} The machine-readable form is <a href='openapi.json'>openapi.json</a>.</p>"
        f"{key}<p>{links} · <a href='#schemas'>schemas</a></p>"
    )


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    parts = [
        f"<details id='{escape(operation['operationId'])}'><summary><span class='verb {method}'>{method.upper()}</span>"
        f"<code>{escape(path)}</code> {escape(operation['summary'])}</summary>"
    ]
    if "description" in operation:
        parts.append(f"<p>{escape(operation['description'])}</p>")
    if "parameters" in operation:
        rows = "".join(
            f"<tr><td><code>{escape(item['name'])}</code></td><td>{escape(item['in'])}</td>"
            f"<td>{_kind(item['schema'])}</td><td>{escape(item.get('description', ''))}</td></tr>"
            for item in operation["parameters"]
        )
        parts.append(f"<table><tr><th>parameter</th><th>in</th><th>type</th><th></th></tr>{rows}</table>")
    if "requestBody" in operation:
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        parts.append(f"<p>Body: {_kind(schema)}</p>")
    rows = ""
    for status, answer in operation["responses"].items():
        kind = "".join(_kind(content["schema"], media) for media, content in list(answer["content"].items())[:1])
        rows += f"<tr><td>{status}</td><td>{escape(answer['description'])}</td><td>{kind}</td></tr>"
    parts.append(f"<table><tr><th>answer</th><th></th><th></th></tr>{rows}</table></details>")
    return "".join(parts)


def _kind(schema: dict[str, Any], media: str = "") -> str:
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
