"""What is wrong with the layout of a page: found by measuring its boxes, as a person would see it."""

from __future__ import annotations

from typing import Any

from support.clients.chromium import Page

_LOOK = """
(() => {
  const found = [];
  const name = (one) => `<${one.tagName.toLowerCase()} class="${one.className}"> ${(one.textContent ?? "").trim().slice(0, 40)}`;
  for (const one of [document.documentElement, document.querySelector("dialog[open]")].filter(Boolean)) {
    const wide = one.scrollWidth - one.clientWidth;
    if (wide > 0) found.push(`${wide} pixels too wide: ${one.tagName}`);
  }
  const shown = (one) => one.checkVisibility({ visibilityProperty: true, opacityProperty: true }) && !one.closest(".off-screen");
  const inView = (box) => box.bottom > 0 && box.top < innerHeight && box.width > 0 && box.height > 0;
  const place = document.querySelector("dialog[open]") ?? document.body;
  for (const one of place.querySelectorAll("*")) {
    if (one.closest("svg") || !shown(one)) continue;
    const box = one.getBoundingClientRect();
    if (!inView(box)) continue;
    const style = getComputedStyle(one);
    const own = [...one.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
    const hides = style.overflowX !== "visible" && style.overflowX !== "auto" && style.overflowX !== "scroll";
    if (own && hides && one.scrollWidth > one.clientWidth + 1 && style.display !== "inline" && !/^(INPUT|TEXTAREA|SELECT)$/.test(one.tagName)) {
      if (!one.closest("[title]") && !one.querySelector("[title]")) found.push(`cut without a title: ${name(one)}`);
    }
    if (own && !hides && style.overflowX === "visible" && one.scrollWidth > one.clientWidth + 1 && style.display !== "inline" && one.clientWidth > 0) {
      found.push(`text sticks out by ${one.scrollWidth - one.clientWidth}: ${name(one)}`);
    }
    if (box.right > innerWidth + 1 && !one.closest(".table-box, .parts, .tasks, .log, pre")) found.push(`beyond the edge: ${name(one)}`);
  }
  const parents = new Set([...place.querySelectorAll("*")].filter((one) => one.children.length > 1 && !one.closest("svg")));
  for (const parent of parents) {
    const children = [...parent.children].filter((one) => {
      if (!shown(one) || one.closest("svg")) return false;
      const style = getComputedStyle(one);
      return style.position === "static" || style.position === "relative";
    });
    const boxes = children.map((one) => one.getBoundingClientRect());
    for (let at = 0; at + 1 < children.length; at += 1) {
      const [a, b] = [boxes[at], boxes[at + 1]];
      if (!inView(a) || !inView(b) || getComputedStyle(children[at]).display === "inline" || getComputedStyle(children[at + 1]).display === "inline") continue;
      const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (across > 1.5 && down > 1.5) found.push(`${name(children[at])} lies on ${name(children[at + 1])} by ${across.toFixed()} × ${down.toFixed()}`);
    }
  }
  return [...new Set(found)].slice(0, 12);
})()
"""


async def faults(page: Page) -> list[str]:
    """Sentences about what is shown: too wide for the window, text cut without a title, neighbours that overlap."""
    found: list[Any] = await page.js(_LOOK)
    return [str(one) for one in found]
