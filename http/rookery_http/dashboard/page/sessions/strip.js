// The last day of a session as a strip of its states, and why it was as it was at each moment.

import { get } from "../base/api.js";
import { fill, h, setText, span, when } from "../base/dom.js";
import { now } from "../base/server.js";
import { stateOf } from "../base/words.js";

const DAY = 86_400_000;
const CHANGES = "session.status";
const RANK = { bad: 4, attention: 3, busy: 2, off: 1, good: 0 };
const SLOTS = 96; // a quarter of an hour each
const HINT = "Choose a coloured quarter of an hour to read what happened in it.";

/** Changes of the last day, oldest first, and the one that held when it began. */
async function changesOf(id, rows) {
  const since = new Date(now() - DAY - 3_600_000).toISOString();
  let found = [];
  try {
    let after = null;
    do {
      const page = await get("/v1/events", { session: id, type: CHANGES, since, after, limit: 500 });
      found.push(...page.events.map((event) => ({ ...event.body, at: event.time })));
      after = page.next;
    } while (after !== null && found.length < 5000);
  } catch {
    found = [];
  }
  const known = new Set(found.map((one) => Date.parse(one.at)));
  const older = rows.map((row) => ({ ...row, enabled: row.reason !== "DISABLED" })).filter((row) => !known.has(Date.parse(row.at)));
  return [...found, ...older].sort((a, b) => Date.parse(a.at) - Date.parse(b.at));
}

/** Stretches of one state: [{from, to, change}] within the last day. */
function stretches(changes, end) {
  const start = end - DAY;
  return changes
    .map((change, index) => ({ change, from: Math.max(start, Date.parse(change.at)), to: Math.min(end, Date.parse(changes[index + 1]?.at ?? new Date(end).toISOString())) }))
    .filter((one) => one.to > start && one.to > one.from);
}

export function dayStrip(id) {
  const strip = h("div", { class: "strip", role: "group", "aria-label": "The last 24 hours" });
  const words = h("p", { class: "soft strip-words", role: "status" });
  const about = h("p", { class: "soft" });
  const element = h("div", { class: "stack day" }, h("div", { class: "row between" }, h("h3", {}, "The last day"), about), strip, h("div", { class: "row between soft strip-scale" }, h("span", {}, "24 h ago"), h("span", {}, "12 h"), h("span", {}, "now")), words);
  let drawn = "";
  let told = false;

  async function read(rows) {
    const newest = rows[0]?.at ?? "";
    const quarter = Math.floor(now() / 900_000);
    if (drawn === `${newest} ${quarter}`) return;
    drawn = `${newest} ${quarter}`;
    draw(stretches(await changesOf(id, rows), now()));
  }

  function draw(parts) {
    const start = now() - DAY;
    const slot = DAY / SLOTS;
    const up = parts.filter((one) => stateOf(one.change)[1] === "good").reduce((sum, one) => sum + one.to - one.from, 0);
    const known = parts.reduce((sum, one) => sum + one.to - one.from, 0);
    setText(about, known > 60_000 ? `connected for ${((100 * up) / known).toFixed(up === known ? 0 : 1)} % of the ${span(known / 1000)} on record` : "");
    const bars = Array.from({ length: SLOTS }, (_, index) => {
      const [from, to] = [start + index * slot, start + (index + 1) * slot];
      const inside = parts.filter((one) => one.from < to && one.to > from);
      const worst = inside.toSorted((a, b) => RANK[stateOf(b.change)[1]] - RANK[stateOf(a.change)[1]])[0];
      if (!worst) return h("span", { class: "slot" });
      const [label, tone] = stateOf(worst.change);
      const clock = new Date(from).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
      if (tone === "good") return h("span", { class: "slot", "data-tone": tone, title: `${clock}: ${label}` });
      return h("button", { type: "button", class: "slot", "data-tone": tone, title: `${clock}: ${label}`, "aria-label": `${clock}: ${label}`, onclick: () => tell(inside.filter((one) => stateOf(one.change)[1] !== "good")) });
    });
    fill(strip, bars);
    if (!told) setText(words, bars.some((bar) => bar.tagName === "BUTTON") ? HINT : "");
  }

  function tell(found) {
    told = true;
    fill(
      words,
      found.slice(-6).map(({ change, from, to }) => h("span", {}, h("strong", {}, stateOf(change)[0]), ` from ${when(new Date(from).toISOString())} for ${span((to - from) / 1000)}: ${change.detail || change.reason}`)),
    );
  }

  return { element, read };
}
