// Events as they arrive. At most KEPT rows exist, and rows are made once a frame, however many events come.

import { follow, path, save, sentence } from "../base/api.js";
import { clock, fill, h, show, size } from "../base/dom.js";
import { button } from "../base/parts.js";
import { origin, summary } from "../base/words.js";

const KEPT = 300;

/** Follows the log with `query`; `fits` narrows further on this side, `onPick` is offered for events with a chat. */
export function eventList(query, { fits = () => true, onPick, onTypes = () => {} } = {}) {
  const list = h("ul", { class: "events", "aria-label": "Events, newest first" });
  const state = h("span", { class: "pulse", role: "status" });
  const nothing = h("p", { class: "soft quiet" }, "Nothing yet. Events appear here the moment they are stored.");
  const pause = button("Pause", () => hold(!held), { kind: "plain small" });
  let held = false;
  let waiting = [];
  let drawing = false;
  let rows = [];

  function hold(wanted) {
    held = wanted;
    pause.textContent = held ? "Go on" : "Pause";
    pause.setAttribute("aria-pressed", String(held));
    if (!held) schedule();
  }

  function schedule() {
    if (drawing || held) return;
    drawing = true;
    requestAnimationFrame(draw);
  }

  function draw() {
    drawing = false;
    const fresh = waiting.slice(-KEPT);
    waiting = [];
    for (const event of fresh) {
      const element = row(event, onPick, !query.session);
      show(element, fits(event));
      rows.push({ event, element });
      list.prepend(element);
    }
    for (const gone of rows.splice(0, Math.max(0, rows.length - KEPT))) gone.element.remove();
    show(nothing, !rows.some((one) => !one.element.hidden));
  }

  const stop = follow(
    query,
    (events) => {
      onTypes(events);
      waiting.push(...events);
      if (waiting.length > 2 * KEPT) waiting = waiting.slice(-KEPT);
      if (document.hidden && !held) draw();
      else schedule();
    },
    (word, problem) => {
      state.dataset.tone = { live: "good", waiting: "busy", refused: "bad" }[word];
      state.textContent = { live: "live", waiting: "connecting", refused: problem ? sentence(problem.message) : "" }[word];
    },
  );

  return {
    element: h("div", {}, h("div", { class: "row between" }, state, pause), list, nothing),
    refilter() {
      for (const one of rows) show(one.element, fits(one.event));
      show(nothing, !rows.some((one) => !one.element.hidden));
    },
    clear() {
      rows = [];
      waiting = [];
      fill(list);
      show(nothing, true);
    },
    leave: stop,
  };
}

function row(event, onPick, withSession) {
  const pre = h("pre", { tabindex: "0" });
  const details = h(
    "details",
    {},
    h(
      "summary",
      {},
      h("time", { datetime: event.time, title: new Date(event.time).toLocaleString() }, clock(event.time)),
      h("span", { class: "tag" }, event.type),
      h("span", { class: "who" }, [withSession ? event.session : null, origin(event)].filter(Boolean).join(" · ")),
      h("span", { class: "what clip" }, summary(event)),
    ),
    pre,
  );
  details.addEventListener("toggle", () => {
    if (details.open && !pre.textContent) pre.textContent = JSON.stringify(event, null, 2);
  });
  const answer = onPick && event.chat ? button("Answer", () => onPick(event), { kind: "plain small", "aria-label": `Answer in chat ${event.chat}` }) : null;
  const file = fileOf(event);
  return h("li", {}, details, file || answer ? h("div", { class: "tools" }, file, answer) : null);
}

/** A button that saves the file of an event, with its name and size; null when there is none. */
function fileOf(event) {
  const { media, kind } = event.body ?? {};
  if (!media?.href) return null;
  const name = media.filename || `${kind ?? "file"}-${event.id}`;
  const about = [media.filename || (kind ?? "file"), Number.isFinite(media.size) ? size(media.size) : null].filter(Boolean).join(" · ");
  return button(`↓ ${about}`, () => save(path("events", event.id, "media"), name), {
    kind: "small file",
    title: [about, media.mime_type].filter(Boolean).join(" · "),
    "aria-label": `Save ${about}`,
  });
}
