// Who changed or sent what.

import { get } from "../base/api.js";
import { fill, h, show, when } from "../base/dom.js";
import { button, cell, pill, rowTable, skeleton, trouble } from "../base/parts.js";

const PAGE = 100;
const COLUMNS = ["At", "Call", "Session", "What", "Key", "From", "Answer"];

export function audit() {
  const refused = trouble();
  const key = h("input", { id: "audit-key", placeholder: "any", autocomplete: "off", onchange: () => read() });
  const session = h("input", { id: "audit-session", placeholder: "any", autocomplete: "off", onchange: () => read() });
  const labelled = (label, input) => h("div", { class: "field" }, h("label", { for: input.id }, label), input);
  const rows = h("tbody", { role: "rowgroup" });
  const table = rowTable("audit", "Calls that changed something, newest first", COLUMNS, rows);
  const place = h("div", { class: "table-box", tabindex: "0", role: "region", "aria-label": "Audit log" }, skeleton(5));
  const more = button("Show older ones", () => read(true), { kind: "plain" });
  const element = h("section", { class: "card stack" }, h("h2", {}, "Audit"), refused, h("div", { class: "filters two even" }, labelled("Key", key), labelled("Session", session)), place, h("div", { class: "row center" }, more));
  let next = null;
  show(more, false);

  async function read(further = false) {
    try {
      const page = await get("/v1/audit", { key: key.value.trim(), session: session.value.trim(), before: further ? next : null, limit: PAGE });
      refused.tell(null);
      next = page.next;
      if (!further) fill(rows);
      rows.append(...page.entries.map(rowOf));
      fill(place, rows.firstChild ? table : h("p", { class: "soft" }, key.value.trim() || session.value.trim() ? "No entry matches." : "No changes yet. Every call that changes or sends something is listed here, with the key that made it."));
      show(more, next !== null);
    } catch (problem) {
      refused.tell(problem);
      fill(place);
    }
  }

  read();
  return { element };
}

function rowOf(entry) {
  const tone = entry.outcome < 400 ? "good" : entry.outcome < 500 ? "attention" : "bad";
  const words = { Call: entry.call, Session: entry.session, What: entry.target, Key: entry.key, From: entry.client };
  return h(
    "tr",
    { role: "row" },
    cell({}, h("time", { datetime: entry.at }, when(entry.at))),
    Object.entries(words).map(([name, text]) => cell({ "data-name": name }, text ?? "")),
    cell({ class: "outcome" }, pill(String(entry.outcome), tone)),
  );
}
