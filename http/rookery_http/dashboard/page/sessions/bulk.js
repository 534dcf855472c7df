// Many sessions at once.

import { path, post } from "../base/api.js";
import { ask } from "../base/dialogs.js";
import { h, setText, show } from "../base/dom.js";
import { button, toast } from "../base/parts.js";

const VERBS = [
  ["start", "Start"],
  ["stop", "Stop"],
  ["restart", "Restart"],
  ["retry", "Retry now"],
];
const AT_ONCE = 8;

/** What can be done with many sessions: the chosen ones. */
export function bulkBar(picked, shown, draw, refresh) {
  const count = h("strong", {}, "0 selected");
  const all = button("Select all shown", () => {
    const rows = shown();
    const full = rows.every((row) => picked.has(row.id));
    picked.clear();
    if (!full) for (const row of rows) picked.add(row.id);
    draw();
  });
  const actions = VERBS.map(([verb, label]) => button(label, () => act(verb, label)));

  async function act(verb, label) {
    const ids = [...picked];
    const words = `${label} ${ids.length} session${ids.length === 1 ? "" : "s"}?`;
    if (!ids.length || !(await ask(words, "Messages that arrive meanwhile are not lost.", label))) return;
    const refused = [];
    const queue = [...ids];
    const work = async () => {
      for (let id = queue.shift(); id !== undefined; id = queue.shift()) {
        try {
          await post(path("sessions", id, verb));
        } catch (problem) {
          refused.push(`${id}: ${problem.message}`);
        }
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    const done = ids.length - refused.length;
    if (done) toast(`${label}: ${done} session${done === 1 ? "" : "s"}.`);
    if (refused.length) toast(`${refused.length} refused. ${refused[0]}`, "bad");
    picked.clear();
    draw();
    await refresh();
  }

  const element = h("div", { class: "bulk", role: "group", "aria-label": "With the selected sessions", hidden: true }, h("div", { class: "row between" }, count, all), h("div", { class: "row" }, actions));
  return {
    element,
    update(choosing, rows) {
      const known = new Set(rows.map((row) => row.id));
      for (const id of picked) if (!known.has(id)) picked.delete(id);
      show(element, choosing);
      setText(all, rows.length && rows.every((row) => picked.has(row.id)) ? "Select none" : "Select all shown");
      setText(count, `${picked.size} selected`);
      for (const one of actions) one.disabled = picked.size === 0;
    },
  };
}
