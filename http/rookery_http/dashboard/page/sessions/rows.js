// A session in the list: as a card, or as a line of the table. Both are made once and kept up to date.

import { ago, h, setText, setTime, show } from "../base/dom.js";
import { pill } from "../base/parts.js";
import { actionOf, platform, stateOf } from "../base/words.js";

function box(first, picked, changed) {
  const element = h("input", { type: "checkbox", "aria-label": `Select ${first.name || first.id}` });
  element.addEventListener("change", () => {
    if (element.checked) picked.add(first.id);
    else picked.delete(first.id);
    changed();
  });
  return element;
}

const address = (row) => `#/sessions/${encodeURIComponent(row.id)}`;

export function cardOf(first, picked, changed) {
  const name = h("span", { class: "name" });
  const state = pill();
  const about = h("span", { class: "soft clip" });
  const action = h("span", { class: "action" });
  const since = ago(first.since, { suffix: "" });
  const link = h(
    "a",
    { href: address(first), "data-id": first.id },
    h("span", { class: "row between" }, name, state),
    h("span", { class: "row between" }, about, since),
    action,
  );
  const tick = box(first, picked, changed);
  let drawn = null;
  return {
    element: h("li", {}, h("span", { class: "tick-cell" }, tick), link),
    update(row) {
      if (tick.checked !== picked.has(row.id)) tick.checked = picked.has(row.id);
      if (drawn === row) return;
      drawn = row;
      setText(name, row.name || row.id);
      state.set(...stateOf(row));
      name.title = row.id;
      setText(about, `${platform(row.platform)} · ${row.detail || row.reason}`);
      about.title = about.textContent;
      setText(action, actionOf(row));
      show(action, actionOf(row) !== "");
      setTime(since, row.since);
    },
  };
}

export const COLUMNS = [
  ["name", "Session"],
  ["state", "State"],
  ["platform", "Platform"],
  ["detail", "Why"],
  ["since", "For"],
  ["instance", "Runs on"],
];

export function lineOf(first, picked, changed) {
  const state = pill();
  const id = h("span", { class: "soft clip" });
  const cells = Object.fromEntries(["platform", "detail", "instance"].map((name) => [name, h("span", { class: "cell clip soft" })]));
  const since = ago(first.since, { suffix: "" });
  const link = h("a", { href: address(first), "data-id": first.id, class: "name clip" });
  const tick = box(first, picked, changed);
  let drawn = null;
  return {
    element: h("li", { class: "line" }, h("span", { class: "tick-cell" }, tick), h("span", { class: "cell clip called" }, link, id), h("span", { class: "cell" }, state), cells.platform, cells.detail, h("span", { class: "cell soft" }, since), cells.instance),
    update(row) {
      if (tick.checked !== picked.has(row.id)) tick.checked = picked.has(row.id);
      if (drawn === row) return;
      drawn = row;
      setText(link, row.name || row.id);
      link.title = row.id;
      setText(id, row.name ? row.id : "");
      id.title = row.id;
      state.set(...stateOf(row));
      setText(cells.platform, platform(row.platform));
      setText(cells.detail, [actionOf(row), row.detail || row.reason].filter(Boolean).join(" · "));
      cells.detail.title = cells.detail.textContent;
      setText(cells.instance, row.owner ?? "–");
      cells.instance.title = row.owner ?? "";
      setTime(since, row.since);
    },
  };
}
