// Where the log goes: webhooks and sinks.

import { get, path } from "../base/api.js";
import { fill, h, keyed, setText, show } from "../base/dom.js";
import { button, empty, every, skeleton, trouble } from "../base/parts.js";
import { editSink, editWebhook } from "./editing.js";
import { endpoint } from "./endpoint.js";

const WEBHOOK = "A webhook is an address of yours to which every event is posted: signed, in order per chat, and retried for a day if it fails.";
const SINK = "A sink publishes every event to a message broker: NATS, RabbitMQ or Redis.";

/** What the list can be narrowed to, by the address. */
const FILTERS = {
  waiting: ["those with waiting deliveries", (row) => row.pending > 0],
  dead: ["those with dead letters", (row) => row.dead > 0],
};

export function endpoints(main, _, query) {
  let filter = null;
  const total = h("p", { class: "soft" });
  const refused = trouble();
  const narrowed = h("p", { class: "row narrowed", role: "status", hidden: true });
  const parts = [section("webhooks", "Webhooks", WEBHOOK, editWebhook), section("sinks", "Sinks", SINK, editSink)];
  fill(main, h("div", { class: "row between" }, h("div", {}, h("h1", {}, "Webhooks and sinks"), total)), refused, narrowed, parts.map((part) => part.element));

  function section(kind, title, text, edit) {
    const cards = h("div", { class: "stack" }, skeleton(3));
    const nothing = h("div");
    const add = button(`Add a ${kind.slice(0, -1)}`, () => edit(null, refresh), { kind: "primary" });
    return {
      kind,
      element: h("section", { class: "stack", "aria-label": title }, h("div", { class: "row between" }, h("h2", {}, title), add), cards, nothing),
      draw(rows) {
        cards.querySelector(":scope > .skeleton")?.remove();
        const shown = filter === null ? rows : rows.filter(FILTERS[filter][1]);
        keyed(cards, shown, (row) => row.id, (row) => endpoint(kind, row, refresh, filter === "dead" ? "letters" : null));
        show(this.element, filter === null || shown.length > 0);
        show(add, rows.length > 0);
        if (rows.length) fill(nothing);
        else if (!nothing.hasChildNodes()) fill(nothing, empty(`No ${kind} yet`, text, button(`Add the first ${kind.slice(0, -1)}`, () => edit(null, refresh), { kind: "primary" })));
      },
    };
  }

  async function refresh() {
    const health = await get("/v1/health").catch(() => null);
    if (health) setText(total, `${plural(health.pending_deliveries, "delivery", "deliveries")} waiting, ${plural(health.dead_letters, "dead letter", "dead letters")} in all.`);
    for (const part of parts) {
      try {
        part.draw((await get(path(part.kind)))[part.kind]);
        if (part.kind === "webhooks") refused.tell(null);
      } catch (problem) {
        part.element.querySelector(".skeleton")?.remove();
        if (part.kind === "webhooks") refused.tell(problem);
        show(part.element, problem.status !== 403);
      }
    }
  }

  function go(_, wanted) {
    const named = wanted?.get("show") ?? "";
    filter = Object.hasOwn(FILTERS, named) ? named : null;
    show(narrowed, filter !== null);
    if (filter) fill(narrowed, h("span", {}, `Only ${FILTERS[filter][0]}.`), h("a", { href: "#/webhooks" }, "Show all"));
    refresh();
  }

  go(_, query);
  return { go, leave: every(2000, refresh) };
}

const plural = (count, one, many) => `${count} ${count === 1 ? one : many}`;
