"""The page for the owner of a phone: the code to scan or to type now, and nothing else. It reloads without a script."""

from __future__ import annotations

from html import escape

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
RELOAD = 4
"""Seconds between two reloads."""
STYLE = """
:root { color-scheme: light dark } body { font: 18px/1.5 system-ui, sans-serif; max-width: 24rem; margin: 2rem auto;
text-align: center; padding: 0 1rem } svg { width: 100%; background: #fff; border-radius: .5rem } .code { font: 600 2rem
ui-monospace, monospace; letter-spacing: .1em }
"""


def pairing_page(text: str, *, svg: str | None = None, code: str | None = None, over: bool = False) -> str:
    """The page. `text` says what to do; with `over` the page no longer reloads."""
    reload = "" if over else f"<meta http-equiv='refresh' content='{RELOAD}'>"
    shown = svg or (f"<p class='code'>{escape(code)}</p>" if code else "")
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        f"<meta name='viewport' content='width=device-width, initial-scale=1'>{reload}"
        "<meta name='robots' content='noindex'>"
        f"<title>Link a device</title><style>{STYLE}</style></head><body>{shown}<p>{escape(text)}</p></body></html>"
    )
