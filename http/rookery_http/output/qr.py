"""Draws the text of a pairing code as a QR code: PNG, SVG, or blocks for a terminal."""

from __future__ import annotations

import io
from typing import Any

from rookery.errors import RookeryError


class CannotDraw(RookeryError):
    """The library that draws QR codes is not installed."""


def qr_png(code: str, *, scale: int = 6) -> bytes:
    """A PNG picture; `scale` pixels for each module. Raises CannotDraw."""
    picture = io.BytesIO()
    _draw(code).save(picture, kind="png", scale=scale, border=4)
    return picture.getvalue()


def qr_svg(code: str) -> str:
    """An SVG document that can stand alone or inside HTML. Raises CannotDraw."""
    text = io.BytesIO()
    _draw(code).save(text, kind="svg", scale=6, border=4, omitsize=True, xmldecl=False, nl=False)
    return text.getvalue().decode()


def qr_terminal(code: str) -> str:
    """Lines of half blocks, for dark and light terminals. Raises CannotDraw."""
    text = io.StringIO()
    _draw(code).terminal(text, compact=True, border=2)
    return text.getvalue()


def _draw(code: str) -> Any:
    try:
        import segno
    except ModuleNotFoundError:
        raise CannotDraw(
            "QR codes are drawn by segno: install Rookery with its extra `http`, or draw the raw code yourself"
        ) from None
    return segno.make_qr(code, error="l")
