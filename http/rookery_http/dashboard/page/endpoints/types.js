// The types of events that an endpoint gets: boxes from the catalogue, or patterns for those who know them.

import { get } from "../base/api.js";
import { fill, h, show } from "../base/dom.js";

/** A field like those of `dialogs`: its value is null for every type, or a list of names and patterns. */
export function typePicker(chosen) {
  const boxes = new Map();
  const every = radio("Every type, except the few that are sent only when named", chosen === null);
  const some = radio("Only these", chosen !== null);
  const groups = h("div", { class: "type-groups" }, h("p", { class: "soft" }, "Reading the catalogue…"));
  const more = h("input", { id: "more-types", type: "text", autocomplete: "off", spellcheck: "false", placeholder: "session.*" });
  const list = h("div", { class: "stack" }, groups, h("div", { class: "field" }, h("label", { for: "more-types" }, "Patterns and other types"), more, h("p", { class: "hint" }, "Separated by commas; * stands for any ending.")));
  const input = h("div", { class: "choices", role: "radiogroup", "aria-label": "Types of events", id: "type-choices" }, every.element, some.element);
  const element = h("fieldset", { class: "field" }, h("legend", {}, "Events"), input, list);

  function radio(label, checked) {
    const box = h("input", { type: "radio", name: "which-types", checked, onchange: () => show(list, some.box.checked) });
    return { box, element: h("label", { class: "choice" }, box, h("span", {}, label)) };
  }

  async function load() {
    const { event_types: rows } = await get("/v1/event-types");
    const known = new Set(rows.map((row) => row.type));
    const families = grouped(rows);
    fill(
      groups,
      [...families].map(([platform, types]) =>
        h(
          "div",
          { class: "type-group", role: "group", "aria-label": platform || "Every platform" },
          h("h3", {}, { telegram: "Telegram", whatsapp: "WhatsApp" }[platform] ?? (platform || "Every platform")),
          types.map((row) => {
            const box = h("input", { type: "checkbox", value: row.type, checked: chosen?.includes(row.type) });
            boxes.set(row.type, box);
            return h("label", { class: "choice", title: row.summary }, box, h("span", {}, h("span", { class: "mono" }, row.type), row.quiet ? h("span", { class: "soft" }, " only when named") : null));
          }),
        ),
      ),
    );
    more.value = (chosen ?? []).filter((one) => !known.has(one)).join(", ");
  }

  show(list, chosen !== null);
  load().catch((problem) => fill(groups, h("p", { class: "soft" }, problem.message)));
  return {
    name: "events",
    input,
    focus: more,
    element,
    value() {
      if (every.box.checked) return null;
      const ticked = [...boxes.values()].filter((box) => box.checked).map((box) => box.value);
      return [...new Set([...ticked, ...more.value.split(",").map((one) => one.trim()).filter(Boolean)])];
    },
  };
}

/** Rows by platform; what several platforms have stands once, among what every one has. */
function grouped(rows) {
  const platforms = new Map();
  for (const row of rows) platforms.set(row.type, (platforms.get(row.type) ?? new Set()).add(row.platform ?? ""));
  const found = new Map([["", []]]);
  const seen = new Set();
  for (const row of rows) {
    if (seen.has(row.type)) continue;
    seen.add(row.type);
    const platform = platforms.get(row.type).size > 1 ? "" : (row.platform ?? "");
    found.set(platform, [...(found.get(platform) ?? []), row]);
  }
  return found;
}
