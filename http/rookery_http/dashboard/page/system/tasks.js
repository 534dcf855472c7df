// Every task of the server, and the line of code where it waits.

import { get } from "../base/api.js";
import { fill, h, setText } from "../base/dom.js";
import { button, skeleton, trouble } from "../base/parts.js";

const DEEPEST = 12;

export function tasks() {
  const refused = trouble();
  const words = h("p", { class: "soft" });
  const text = h("input", { type: "search", "aria-label": "Search tasks", placeholder: "Search  ( / )", oninput: draw });
  const list = h("ol", { class: "tasks", "aria-label": "Tasks", tabindex: "0" }, skeleton(8));
  const element = h("section", { class: "card stack" }, h("div", { class: "row between" }, h("div", {}, h("h2", {}, "Tasks"), words), button("Refresh", read)), refused, text, list);
  let rows = [];

  function draw() {
    const wanted = text.value.trim().toLowerCase();
    const shown = rows.filter((row) => !wanted || `${row.name} ${row.waits_at} ${row.waits_in}`.toLowerCase().includes(wanted));
    fill(list, shown.map((row) => h("li", { "data-depth": String(Math.min(row.depth, DEEPEST)) }, h("strong", {}, row.name), " ", h("span", { class: "soft" }, `${row.waits_at} ${row.waits_in}`))));
  }

  async function read() {
    try {
      rows = (await get("/v1/debug/tasks")).tasks;
      setText(words, `${rows.length} tasks of this instance, each below the one that owns it, with the line where it waits.`);
      refused.tell(null);
      draw();
    } catch (problem) {
      refused.tell(problem);
      fill(list);
    }
  }

  read();
  return { element };
}
