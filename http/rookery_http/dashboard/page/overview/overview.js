// The start: what needs somebody, how much goes through, what waits, and what changed last.

import { get, path } from "../base/api.js";
import { ago, fill, h, keyed, setText, setTime, show, size, span } from "../base/dom.js";
import { empty, every, pill, skeleton, trouble } from "../base/parts.js";
import { linePlot } from "../base/plot.js";
import { actionOf, platform, stateOf } from "../base/words.js";

const SHOWN = 12;
const HOUR = 59; // whole minutes
const NEWEST = Number.MAX_SAFE_INTEGER;
const SHORT = 0.1; // of a disk: below this it is said
const TILES = [
  ["connected", "Connected", "#/sessions?show=good", "good"],
  ["needs_you", "Need you", "#/sessions?show=you", "attention"],
  ["on_the_way", "Connecting", "#/sessions?show=busy", "busy"],
  ["down", "Down", "#/sessions?show=down", "bad"],
  ["waiting_sends", "Sends waiting", "#/sessions?show=waiting", "busy"],
  ["undelivered", "Events undelivered", "#/webhooks?show=waiting", "busy"],
  ["dead_letters", "Dead letters", "#/webhooks?show=dead", "bad"],
];
const CURVES = [
  ["received", "Received per minute", "#/events?type=message"],
  ["sent", "Sent per minute", "#/events?type=message.status"],
  ["delivered", "Delivered per minute", "#/webhooks"],
];

/** The names of sessions; `known` fills while they are read. */
function nameBook() {
  const known = new Map();
  return {
    of: (id) => known.get(id)?.name || id,
    platformOf: (id) => known.get(id)?.platform ?? null,
    async read(ids) {
      const wanted = [...new Set(ids)].filter((id) => !known.has(id));
      await Promise.all(wanted.map(async (id) => known.set(id, await get(path("sessions", id)).catch(() => ({ name: "", platform: null })))));
      return wanted.length > 0;
    },
  };
}

export function overview(main) {
  const refused = trouble();
  const names = nameBook();
  const tiles = TILES.map(([name, label, href, tone]) => {
    const number = h("strong", {}, "–");
    return { name, tone, number, element: h("a", { class: "tile", href, "data-tone": "off" }, number, h("span", {}, label)) };
  });
  const lag = h("strong", {}, "–");
  const lagTile = h("a", { class: "tile", href: "#/webhooks?show=waiting", "data-tone": "off" }, lag, h("span", {}, "Oldest undelivered"));
  const curves = CURVES.map(([name, label, href]) => curve(name, label, href));
  const changes = h("ol", { class: "changes", "aria-label": "Latest changes" });
  const none = h("div", {}, skeleton(5));
  const start = empty("No sessions yet", "Add a Telegram bot or link a WhatsApp account, and its state and traffic appear here.", h("a", { class: "button primary", href: "#/sessions" }, "Add a session"));
  const latestCard = h("section", { class: "card" }, h("h2", {}, "Latest changes"), changes, none);
  show(start, false);
  const instances = h("div", { class: "instances" }, skeleton(1));
  fill(
    main,
    h("h1", {}, "Overview"),
    refused,
    start,
    h("div", { class: "tiles" }, tiles.map((tile) => tile.element), lagTile),
    h("div", { class: "curves" }, curves.map((one) => one.element)),
    latestCard,
    h("section", { class: "card" }, h("h2", {}, "Instances"), instances),
  );
  let total = null; // sessions
  let rows = [];

  async function figures() {
    const found = await get("/v1/overview");
    for (const tile of tiles) {
      setText(tile.number, found[tile.name].toLocaleString("en"));
      tile.element.dataset.tone = found[tile.name] > 0 ? tile.tone : "off";
    }
    setText(lag, found.undelivered ? span(found.lag) : "–");
    lagTile.dataset.tone = found.lag > 60 ? "bad" : found.undelivered ? "busy" : "off";
    for (const one of curves) one.draw(found.minutes);
    instances.querySelector(".skeleton")?.remove();
    keyed(instances, [...found.instances, ...found.silent.map((instance) => ({ instance, silent: true }))], (row) => row.instance, instanceOf);
    total = found.connected + found.needs_you + found.on_the_way + found.down + found.disabled;
  }

  async function latest() {
    const page = await get("/v1/events", { type: "session.status", before: NEWEST, limit: SHOWN });
    rows = page.events.reverse();
    draw();
    if (await names.read(rows.map((row) => row.session))) draw();
  }

  function draw() {
    keyed(changes, rows, (row) => row.id, () => changeOf(names));
    if (rows.length) fill(none);
  }

  async function refresh() {
    const results = await Promise.allSettled([figures(), latest()]);
    refused.tell(results.find((one) => one.status === "rejected")?.reason ?? null);
    if (results[0].status === "rejected" && results[0].reason.status) instances.querySelector(".skeleton")?.remove();
    show(start, total === 0);
    show(latestCard, total !== 0 || rows.length > 0);
    if (rows.length) return;
    if (total) fill(none, h("p", { class: "soft" }, "Nothing has changed recently."));
    else fill(none);
  }

  const end = every(2500, refresh);
  return { leave: end };
}

function changeOf(names) {
  const state = pill();
  const link = h("a", { class: "clip" });
  const why = h("span", { class: "soft" });
  const since = ago(null);
  return {
    element: h("li", {}, state, link, why, since),
    update({ session, time, body }) {
      state.set(...stateOf(body));
      link.href = `#/sessions/${encodeURIComponent(session)}`;
      setText(link, names.of(session));
      link.title = session;
      const about = names.platformOf(session);
      setText(why, [about && platform(about), body.detail || body.reason, actionOf(body)].filter(Boolean).join(" · "));
      setTime(since, time);
    },
  };
}

function instanceOf() {
  const name = h("span", { class: "mono clip" });
  const load = h("span", { class: "soft" });
  const [memory, disk] = [gauge(), gauge()];
  return {
    element: h("div", { class: "instance" }, name, load, memory.element, disk.element),
    update(row) {
      setText(name, row.instance);
      name.title = row.instance;
      setText(load, row.silent ? "did not answer" : `${row.connected} of ${row.sessions} connected${row.draining ? " · draining" : ""}`);
      memory.set(row.silent ? null : row.memory, row.memory_limit, `${size(row.memory)} of ${size(row.memory_limit)} memory`, 0.8);
      const used = row.silent || row.disk_free === null ? null : row.disk_total - row.disk_free;
      disk.set(used, row.disk_total, `${size(row.disk_free)} of ${size(row.disk_total)} disk free`, 1 - SHORT);
    },
  };
}

/** A share of what there is; above `warn` it is coloured. */
function gauge() {
  const meter = h("meter", { min: "0", max: "1", optimum: "0", high: "0.95" });
  const text = h("span", { class: "soft" });
  const element = h("span", { class: "gauge" }, text, meter);
  return {
    element,
    set(used, limit, words, warn) {
      element.hidden = used === null || !limit;
      if (element.hidden) return;
      meter.low = warn;
      meter.value = used / limit;
      meter.ariaLabel = words;
      setText(text, words);
    },
  };
}

/** A line over the last hour; the present minute goes on and is left out. */
function curve(name, label, href) {
  const plot = linePlot();
  const latest = h("strong", {}, "–");
  return {
    element: h("a", { class: "card curve", href }, h("span", { class: "row between" }, h("span", { class: "soft" }, label), latest), plot.element),
    draw(minutes) {
      const values = minutes.slice(0, -1).slice(-HOUR).map((minute) => minute[name]);
      const last = values.at(-1) ?? 0;
      setText(latest, last.toLocaleString("en"));
      plot.draw(values, `${label}: ${last} in the last whole minute, at most ${Math.max(0, ...values)} in the last hour`, HOUR);
    },
  };
}
