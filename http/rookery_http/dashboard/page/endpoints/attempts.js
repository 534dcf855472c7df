// The last attempts to deliver: how long each took, what was answered, and why it did not count.

import { get } from "../base/api.js";
import { clock, fill, h, when } from "../base/dom.js";
import { cell, pill, rowTable, skeleton } from "../base/parts.js";
import { barPlot } from "../base/plot.js";

const SHOWN = 50;
export const milliseconds = (seconds) => `${seconds < 0.01 ? (seconds * 1000).toFixed(1) : Math.round(seconds * 1000)} ms`;

export function attempts(at) {
  const plot = barPlot(SHOWN);
  const about = h("p", { class: "soft" });
  const list = h("tbody", { role: "rowgroup" });
  const table = rowTable("attempts", "Attempts, newest first", ["At", "Event", "Result", "Took", "Answer"], list);
  const place = h("div", { class: "table-box", tabindex: "0", role: "region", "aria-label": "Attempts" }, skeleton(3));
  const element = h("div", { class: "stack" }, h("h3", {}, "Last attempts"), plot.element, about, place);

  async function read() {
    const { attempts: found } = await get(at("attempts"));
    if (!found.length) return fill(place, h("p", { class: "soft" }, "No attempts since this server started."));
    const inOrder = [...found].reverse();
    const took = found.map((one) => one.seconds).sort((a, b) => a - b);
    const words = `Last ${found.length} attempts: median ${milliseconds(took[Math.floor((took.length - 1) / 2)])}, slowest ${milliseconds(took.at(-1))}; ${found.filter((one) => !one.delivered).length} failed.`;
    plot.draw(inOrder.map((one) => one.seconds), inOrder.map((one) => (one.delivered ? "good" : "bad")), words);
    about.textContent = words;
    fill(list, found.map(rowOf));
    return place.firstChild === table ? null : fill(place, table);
  }

  return { element, read };
}

function rowOf(one) {
  const result = pill(one.delivered ? String(one.status ?? "confirmed") : one.status ? String(one.status) : "no answer", one.delivered ? "good" : "bad");
  return h(
    "tr",
    { role: "row" },
    cell({}, h("time", { datetime: one.at, title: when(one.at) }, clock(one.at))),
    cell({ class: "wide" }, h("span", { class: "tag" }, one.type), h("span", { class: "soft" }, ` ${one.session}, ${one.event}${one.attempt > 1 ? `, attempt ${one.attempt}` : ""}`)),
    cell({}, result),
    cell({ class: "number" }, milliseconds(one.seconds)),
    cell({ class: "wide answer", title: one.error ?? one.answer }, one.error ?? one.answer),
  );
}
