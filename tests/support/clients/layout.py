"""Finds faults in the layout of a page by measuring its boxes, as a person would see it."""

from __future__ import annotations

from typing import Any

from support.clients.chromium import Page

LOOK = """
(() => {
  const found = [];
  const name = (one) => `<${one.tagName.toLowerCase()} class="${one.className}"> ${one.textContent.trim().slice(0, 40)}`;
  const clipped = (one) => one !== null && getComputedStyle(one).clipPath.startsWith("inset(50%");  // for screen readers only
  const shown = (one) => one.checkVisibility({ visibilityProperty: true, opacityProperty: true })
    && !one.closest(".off-screen, svg") && !clipped(one.closest(".tools")) && !clipped(one.closest("thead"));
  const inView = (box) => box.bottom > 0 && box.top < innerHeight && box.width > 1 && box.height > 1;
  const scrolls = ".parts, .tasks, .log, pre";  // these may be wider than the window, and scroll by themselves
  const dialog = document.querySelector("dialog[open]");

  for (const one of [document.documentElement, dialog].filter(Boolean)) {
    if (one.scrollWidth > one.clientWidth) found.push(`${one.scrollWidth - one.clientWidth} pixels too wide: ${one.tagName}`);
  }

  const place = dialog ?? document.body;
  for (const one of place.querySelectorAll(".table-box")) {
    const over = one.scrollWidth - one.clientWidth;
    if (shown(one) && over > 1) found.push(`a table ${over} pixels too wide`);
  }
  // What lies in a box outside of the window is not looked at: in a list of hundreds each look would lay a row out.
  const looked = [];
  const walk = (one) => {
    const box = one.getBoundingClientRect();
    if (box.width > 1 && box.height > 1 && !inView(box)) return;
    looked.push([one, box]);
    for (const child of one.children) walk(child);
  };
  for (const child of place.children) walk(child);
  for (const [one, box] of looked) {
    if (!inView(box) || !shown(one)) continue;
    if (box.right > innerWidth + 1 && !one.closest(scrolls)) found.push(`beyond the edge: ${name(one)}`);
    const style = getComputedStyle(one);
    const text = [...one.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
    if (!text || style.display === "inline" || /^(INPUT|TEXTAREA|SELECT)$/.test(one.tagName)) continue;
    const over = one.scrollWidth - one.clientWidth;
    if (over <= 1 || one.clientWidth === 0) continue;
    if (style.overflowX === "visible") found.push(`text sticks out by ${over}: ${name(one)}`);
    else if (/hidden|clip/.test(style.overflowX)) {
      if (innerWidth < 500) found.push(`cut where no title can be read: ${name(one)}`);
      else if (!one.closest("[title]") && !one.querySelector("[title]")) found.push(`cut without a title: ${name(one)}`);
    }
  }

  for (const [parent] of looked) {
    if (parent.children.length < 2 || !inView(parent.getBoundingClientRect()) || parent.closest("svg")) continue;
    const boxes = [...parent.children].filter((one) => {
      const { position, display } = getComputedStyle(one);
      return inView(one.getBoundingClientRect())
        && shown(one) && display !== "inline" && (position === "static" || position === "relative");
    }).map((one) => [one, one.getBoundingClientRect()]).filter(([, box]) => inView(box));
    boxes.slice(1).forEach(([b, after], index) => {
      const [a, before] = boxes[index];
      const across = Math.min(before.right, after.right) - Math.max(before.left, after.left);
      const down = Math.min(before.bottom, after.bottom) - Math.max(before.top, after.top);
      if (across > 1.5 && down > 1.5) found.push(`${name(a)} overlaps ${name(b)} by ${across.toFixed()} x ${down.toFixed()}`);
    });
  }
  return [...new Set(found)].slice(0, 12);
})()
"""
"""An expression of JavaScript: the list of sentences."""


async def faults(page: Page) -> list[str]:
    """The faults in sentences: elements too wide for the window, text cut without a title, neighbours that overlap."""
    found: list[Any] = await page.js(LOOK)
    return [str(one) for one in found]
