// The settings that the server goes by, beside their defaults.

import { get } from "../base/api.js";
import { fill, h, setText, size } from "../base/dom.js";
import { skeleton, trouble } from "../base/parts.js";

export function settings() {
  const refused = trouble();
  const text = h("input", { type: "search", "aria-label": "Search settings", placeholder: "Search  ( / )", oninput: draw });
  const changed = h("input", { type: "checkbox", id: "only-changed", onchange: draw });
  const words = h("p", { class: "soft" });
  const place = h("div", { class: "stack" }, skeleton(8));
  const element = h("section", { class: "card stack" }, h("div", {}, h("h2", {}, "Settings in force"), words), refused, h("div", { class: "row" }, h("div", { class: "grow" }, text), h("label", { class: "choice", for: "only-changed" }, changed, h("span", {}, "changed ones only"))), place);
  let rows = [];

  function draw() {
    const wanted = text.value.trim().toLowerCase();
    const shown = rows.filter((row) => (!changed.checked || row.changed) && (!wanted || `${row.name} ${row.meaning} ${row.value}`.toLowerCase().includes(wanted)));
    const groups = [...new Set(shown.map((row) => row.group))];
    if (!groups.length) return fill(place, h("p", { class: "soft" }, "No setting matches."));
    return fill(place, groups.map((group) => h("section", {}, h("h3", {}, group), h("ul", { class: "events settings", "aria-label": group }, shown.filter((row) => row.group === group).map(rowOf)))));
  }

  get("/v1/settings").then(
    (found) => {
      rows = found.settings;
      setText(words, `Rookery ${found.version}, Python ${found.python}, ${found.store}. Settings are read from the environment when the server starts.`);
      draw();
    },
    (problem) => {
      refused.tell(problem);
      fill(place);
    },
  );
  return { element };
}

const large = (row) => row.unit === "bytes" && Number(row.value) >= 10_000;

function rowOf(row) {
  const value = row.secret ? (row.value === "set" ? "set, not shown" : "none") : row.value;
  return h("li", {}, h("div", {}, h("span", { class: "mono" }, row.name), h("p", { class: "soft" }, row.meaning.replaceAll("`", ""))), h("div", { class: "setting-value" }, h("strong", { class: row.changed ? "changed" : "" }, `${value}${row.unit && value !== "none" ? ` ${row.unit}` : ""}`), large(row) ? h("p", { class: "soft" }, size(Number(row.value))) : null, row.changed ? h("p", { class: "soft" }, `default ${row.default}`) : null));
}
