// What the server finds of itself, the worst first, with what to do about it.

import { get, sentence } from "../base/api.js";
import { fill, h } from "../base/dom.js";
import { button, pill, skeleton, trouble } from "../base/parts.js";

const TONES = { ok: ["ok", "good"], warning: ["warning", "attention"], error: ["problem", "bad"] };
const RANK = { error: 0, warning: 1, ok: 2 };

export function doctor() {
  const refused = trouble();
  const list = h("ul", { class: "events findings", "aria-label": "Findings" });
  const words = h("p", { class: "soft", role: "status" }, "Checking. This takes up to ten seconds.");
  const again = button("Check again", look);
  const element = h("section", { class: "card" }, h("div", { class: "row between" }, h("h2", {}, "Doctor"), again), refused, words, list);

  async function look() {
    fill(list, skeleton(6));
    try {
      const { findings } = await get("/v1/doctor");
      const bad = findings.filter((one) => one.level !== "ok").length;
      words.textContent = bad ? `${bad} of ${findings.length} checks ${bad === 1 ? "needs" : "need"} attention.` : `All ${findings.length} checks passed.`;
      refused.tell(null);
      fill(list, findings.toSorted((a, b) => RANK[a.level] - RANK[b.level]).map(rowOf));
    } catch (problem) {
      refused.tell(problem);
      fill(list);
      words.textContent = "";
    }
  }

  look();
  return { element };
}

function rowOf(finding) {
  const [label, tone] = TONES[finding.level];
  return h("li", {}, h("div", {}, h("strong", {}, finding.subject), h("p", {}, sentence(finding.detail)), finding.advice ? h("p", { class: "soft" }, `→ ${sentence(finding.advice)}`) : null), pill(label, tone));
}
