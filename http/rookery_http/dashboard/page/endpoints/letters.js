// Dead letters of one endpoint: narrowed down, read, tried again.

import { get, post } from "../base/api.js";
import { ago, fill, h, setText, show } from "../base/dom.js";
import { button, skeleton, toast } from "../base/parts.js";
import { summary } from "../base/telling.js";

const PAGE = 100;
const AT_ONCE = 1000;
const titled = (text) => h("strong", { class: "clip", title: text.slice(0, 300) }, text);
const plural = (count, one, many) => `${count} ${count === 1 ? one : many}`;

/** `at` makes paths below the endpoint's; `changed` follows a replay. */
export function letters(at, changed) {
  let found = [];
  let next = null;
  const text = h("input", { type: "search", "aria-label": "Search dead letters", placeholder: "Session, type, chat, error or text", oninput: () => draw() });
  const count = h("span", { class: "soft" });
  const list = h("ul", { class: "events", "aria-label": "Dead letters" });
  const more = button("Show more", () => read(true), { kind: "plain" });
  const all = button("Replay all", () => replayShown(), { kind: "primary" });
  const tools = h("div", { class: "letter-tools" }, text, count, all);
  const element = h("div", { class: "stack" }, h("h3", {}, "Dead letters"), tools, list, more);
  fill(list, skeleton(2));

  const fitting = () => {
    const wanted = text.value.trim().toLowerCase();
    return wanted ? found.filter((one) => `${one.event.session} ${one.event.type} ${one.event.chat ?? ""} ${one.error} ${summary(one.event)}`.toLowerCase().includes(wanted)) : found;
  };

  async function read(further = false) {
    const page = await get(at("dead-letters"), { limit: PAGE, after: further ? next : null });
    found = further ? [...found, ...page.dead_letters] : page.dead_letters;
    next = page.next;
    draw();
  }

  function draw() {
    const shown = fitting();
    show(tools, found.length > 0);
    show(more, next !== null);
    setText(all, text.value.trim() ? `Replay these ${shown.length}` : "Replay all");
    all.disabled = shown.length === 0;
    setText(count, `${shown.length}${next === null ? "" : "+"} shown`);
    if (!found.length) fill(list, h("li", {}, h("p", { class: "soft" }, "No dead letters. A delivery that still fails after all its retries is kept here.")));
    else if (!shown.length) fill(list, h("li", {}, h("p", { class: "soft" }, "No dead letter matches the search.")));
    else fill(list, shown.map(rowOf));
  }

  async function replay(ids, words) {
    const { replayed } = await post(at("replay"), ids ? { event_ids: ids } : undefined);
    toast(replayed ? words(replayed) : "There was nothing left to replay.");
    changed();
    await read();
  }

  function replayShown() {
    const words = (number) => `${plural(number, "delivery is", "deliveries are")} on the way again.`;
    if (!text.value.trim()) return replay(null, words);
    return replay(fitting().slice(0, AT_ONCE).map((one) => one.event.id), words);
  }

  function rowOf(letter) {
    const pre = h("pre", { tabindex: "0" });
    const details = h(
      "details",
      {},
      h("summary", { class: "letter" }, h("span", { class: "tag" }, letter.event.type), titled(summary(letter.event) || `event ${letter.event.id}`)),
      h("p", { class: "soft" }, `${letter.event.session}, event ${letter.event.id}, ${plural(letter.attempts, "attempt", "attempts")}, `, ago(letter.at, { prefix: "given up " })),
      pre,
    );
    details.addEventListener("toggle", () => {
      if (details.open && !pre.textContent) pre.textContent = JSON.stringify(letter.event, null, 2);
    });
    return h("li", {}, h("div", { class: "grow" }, details, h("p", { class: "error" }, letter.error)), button("Replay", () => replay([letter.event.id], () => "The delivery is on the way again."), { "aria-label": `Replay event ${letter.event.id}` }));
  }

  return { element, read };
}
