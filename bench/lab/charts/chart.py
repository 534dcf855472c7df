"""Horizontal bar charts as SVG: no library, readable on light and dark pages; and tables in Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape

WIDTH, LABELS, VALUES, ROW, BAR, TOP = 760, 230, 130, 30, 18, 64

Rendered = tuple[str, str]
"""The chart, the table."""

STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1f2328}.title{font-size:15px;font-weight:600}"
    ".note{fill:#59636e;font-size:12px}.ours{fill:#1a7f5a}.theirs{fill:#9aa4ae}"
    ".target{stroke:#b35900;stroke-dasharray:4 3}.target-text{fill:#b35900;font-size:12px}"
    ".range{stroke:#1f2328;stroke-width:1.2}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.note{fill:#9198a1}.theirs{fill:#5b646d}.ours{fill:#3fb27f}"
    ".target{stroke:#e3a35a}.target-text{fill:#e3a35a}.range{stroke:#e6edf3}}"
)


class Bar(NamedTuple):
    """One row. `low` and `high` draw the range of the runs."""

    label: str
    value: float
    text: str
    ours: bool = False
    low: float | None = None
    high: float | None = None


class Target(NamedTuple):
    """A vertical line."""

    value: float
    label: str


def bar_chart(title: str, note: str, bars: Sequence[Bar], target: Target | None = None) -> str:
    """The SVG document."""
    most = max([bar.high or bar.value for bar in bars] + ([target.value] if target else [])) or 1.0
    scale = (WIDTH - LABELS - VALUES) / most
    height = TOP + ROW * len(bars) + (26 if target else 10)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">',
        f"<title>{escape(title)}</title><style>{STYLE}</style>",
        f'<text class="title" x="12" y="24">{escape(title)}</text><text class="note" x="12" y="44">{escape(note)}</text>',
    ]
    for number, bar in enumerate(bars):
        y = TOP + ROW * number
        middle = y + BAR / 2
        width = max(1.0, bar.value * scale)
        parts.append(f'<text x="{LABELS - 10}" y="{middle + 4.5:.1f}" text-anchor="end">{escape(bar.label)}</text>')
        kind = "ours" if bar.ours else "theirs"
        parts.append(f'<rect class="{kind}" x="{LABELS}" y="{y}" width="{width:.1f}" height="{BAR}" rx="2"/>')
        end = bar.value
        if bar.low is not None and bar.high is not None and bar.high > bar.low:
            left, right = LABELS + bar.low * scale, LABELS + bar.high * scale
            parts.append(
                f'<path class="range" fill="none" d="M{left:.1f} {middle - 4}v8M{left:.1f} {middle}H{right:.1f}M{right:.1f} '
                f'{middle - 4}v8"/>'
            )
            end = max(end, bar.high)
        parts.append(f'<text x="{LABELS + end * scale + 8:.1f}" y="{middle + 4.5:.1f}">{escape(bar.text)}</text>')
    if target:
        x = LABELS + target.value * scale
        bottom = TOP + ROW * len(bars)
        parts.append(f'<path class="target" d="M{x:.1f} {TOP - 8}V{bottom}"/>')
        anchor = "end" if x > WIDTH - VALUES - 60 else "middle"
        parts.append(
            f'<text class="target-text" x="{x:.1f}" y="{bottom + 14}" text-anchor="{anchor}">{escape(target.label)}</text>'
        )
    return "\n".join([*parts, "</svg>", ""])


def markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; the first column is text, the others are numbers."""
    head = f"| {' | '.join(columns)} |\n|---|{'---:|' * (len(columns) - 1)}\n"
    return head + "".join(f"| {' | '.join(row)} |\n" for row in rows)


LINE_STYLE = (
    ".line{fill:none;stroke:#1a7f5a;stroke-width:1.6}.axis{stroke:#d1d9e0}"
    "@media(prefers-color-scheme:dark){.line{stroke:#3fb27f}.axis{stroke:#3d444d}}"
)


class Line(NamedTuple):
    """One small chart: `points` are (x, value)."""

    label: str
    points: Sequence[tuple[float, float]]
    text: str


def line_charts(title: str, note: str, lines: Sequence[Line]) -> str:
    """One under the other, each from zero to its own most, all over the same time. The SVG document."""
    band, gap = 44, 14
    end = max((x for line in lines for x, _ in line.points), default=1.0) or 1.0
    across = (WIDTH - LABELS - VALUES) / end
    height = TOP + (band + gap) * len(lines) + 6
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">',
        f"<title>{escape(title)}</title><style>{STYLE}{LINE_STYLE}</style>",
        f'<text class="title" x="12" y="24">{escape(title)}</text><text class="note" x="12" y="44">{escape(note)}</text>',
    ]
    for number, line in enumerate(lines):
        bottom = TOP + (band + gap) * number + band
        up = band / (max((value for _, value in line.points), default=1.0) or 1.0)
        path = "L".join(f"{LABELS + x * across:.1f} {bottom - value * up:.1f}" for x, value in line.points)
        middle = bottom - band / 2 + 4.5
        parts.append(f'<text x="{LABELS - 10}" y="{middle:.1f}" text-anchor="end">{escape(line.label)}</text>')
        parts.append(f'<path class="axis" d="M{LABELS} {bottom}H{LABELS + end * across:.1f}"/>')
        parts.append(f'<path class="line" d="M{path}"/>')
        parts.append(f'<text x="{LABELS + end * across + 8:.1f}" y="{middle:.1f}">{escape(line.text)}</text>')
    return "\n".join([*parts, "</svg>", ""])
