// The start: what needs somebody, how much goes through, what waits, and what changed last.

import { get, path } from "../base/api.js";
import { ago, fill, h, keyed, setText, setTime, size, span } from "../base/dom.js";
import { empty, every, pill, trouble } from "../base/parts.js";
import { linePlot } from "../base/plot.js";
import { actionOf, platform, stateOf } from "../base/words.js";

const SHOWN = 12;
const MOST = 5000;
const TILES = [
  ["connected", "Connected", "#/sessions?show=good", "good"],
  ["needs_you", "Need you", "#/sessions?show=you", "attention"],
  ["on_the_way", "On the way", "#/sessions?show=busy", "busy"],
  ["down", "Down", "#/sessions?show=down", "bad"],
  ["waiting_sends", "Sends waiting", "#/sessions", "busy"],
  ["undelivered", "Events undelivered", "#/webhooks", "busy"],
  ["dead_letters", "Dead letters", "#/webhooks", "bad"],
];
const CURVES = [
  ["received", "Received a minute"],
  ["sent", "Sent a minute"],
  ["delivered", "Delivered a minute"],
];

async function latestSessions() {
  const found = [];
  let after = null;
  do {
    const page = await get(path("sessions"), { limit: 500, after });
    found.push(...page.sessions);
    after = page.next;
  } while (after && found.length < MOST);
  return found.sort((a, b) => Date.parse(b.since) - Date.parse(a.since)).slice(0, SHOWN);
}

export function overview(main) {
  const refused = trouble();
  const tiles = TILES.map(([name, label, href, tone]) => {
    const number = h("strong", {}, "–");
    return { name, tone, number, element: h("a", { class: "tile", href, "data-tone": "off" }, number, h("span", {}, label)) };
  });
  const lag = h("strong", {}, "–");
  const lagTile = h("a", { class: "tile", href: "#/webhooks", "data-tone": "off" }, lag, h("span", {}, "Oldest undelivered"));
  const curves = CURVES.map(([name, label]) => curve(name, label));
  const changes = h("ol", { class: "changes", "aria-label": "Latest changes" });
  const none = h("div");
  const instances = h("div", { class: "stack" });
  fill(
    main,
    h("h1", {}, "Overview"),
    refused,
    h("div", { class: "tiles" }, tiles.map((tile) => tile.element), lagTile),
    h("div", { class: "curves" }, curves.map((one) => one.element)),
    h("section", { class: "card" }, h("h2", {}, "Latest changes"), changes, none),
    h("section", { class: "card" }, h("h2", {}, "Instances"), instances),
  );

  async function refresh() {
    try {
      const [found, rows] = await Promise.all([get("/v1/overview"), latestSessions()]);
      refused.tell(null);
      for (const tile of tiles) {
        setText(tile.number, String(found[tile.name]));
        tile.element.dataset.tone = found[tile.name] > 0 ? tile.tone : "off";
      }
      setText(lag, found.undelivered ? span(found.lag) : "–");
      lagTile.dataset.tone = found.lag > 60 ? "bad" : found.undelivered ? "busy" : "off";
      for (const one of curves) one.draw(found.minutes);
      keyed(changes, rows, (row) => row.id, changeOf);
      if (rows.length) fill(none);
      else if (!none.hasChildNodes()) fill(none, empty("No sessions yet", "Add a Telegram bot or link a WhatsApp account, and its life shows here.", h("a", { class: "button primary", href: "#/sessions" }, "Add a session")));
      keyed(instances, [...found.instances, ...found.silent.map((instance) => ({ instance, silent: true }))], (row) => row.instance, instanceOf);
    } catch (problem) {
      refused.tell(problem);
    }
  }

  const end = every(2500, refresh);
  return { leave: end };
}

function changeOf(first) {
  const state = pill();
  const link = h("a", { href: `#/sessions/${encodeURIComponent(first.id)}` });
  const why = h("span", { class: "soft" });
  const since = ago(first.since);
  return {
    element: h("li", {}, state, link, why, since),
    update(row) {
      state.set(...stateOf(row));
      setText(link, row.name || row.id);
      setText(why, [platform(row.platform), row.detail || row.reason, actionOf(row)].filter(Boolean).join(" · "));
      setTime(since, row.since);
    },
  };
}

function instanceOf() {
  const name = h("span", { class: "mono clip" });
  const words = h("span", { class: "soft" });
  return {
    element: h("div", { class: "row between instance" }, name, words),
    update(row) {
      setText(name, row.instance);
      if (row.silent) return setText(words, "gave no answer");
      const memory = `${size(row.memory)} of ${size(row.memory_limit)} memory`;
      const disk = row.disk_free === null ? null : `${size(row.disk_free)} of ${size(row.disk_total)} disk free`;
      return setText(words, [`${row.connected} of ${row.sessions} connected`, memory, disk, row.draining ? "draining" : null].filter(Boolean).join(" · "));
    },
  };
}

/** A line over the last hour; the present minute goes on and is left out. */
function curve(name, label) {
  const plot = linePlot();
  const latest = h("strong", {}, "–");
  return {
    element: h("div", { class: "card curve" }, h("div", { class: "row between" }, h("span", { class: "soft" }, label), latest), plot.element),
    draw(minutes) {
      const values = minutes.slice(0, -1).slice(-59).map((minute) => minute[name]);
      const last = values.at(-1) ?? 0;
      setText(latest, String(last));
      plot.draw(values, `${label}: ${last} in the last whole minute, at most ${Math.max(0, ...values)} in the last hour`);
    },
  };
}
