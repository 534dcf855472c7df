// Rows of events: those that come are added in front, those of a page behind. At most KEPT rows exist, and they are made
// a few times a second, however many events come.

import { path, save, sentence } from "../base/api.js";
import { clock, fill, h, setText, show, size, when } from "../base/dom.js";
import { follow } from "../base/follow.js";
import { button, copy, skeleton } from "../base/parts.js";
import { summary } from "../base/telling.js";
import { origin } from "../base/words.js";

const KEPT = 300;
const MOST = 3000;
const EVERY = 250; // milliseconds between two drawings: each lays the whole list out

/**
 * Follows the log with `query` unless `live` is false; `fits` narrows further on this side, `onPick` is offered for events
 * with a chat. `add` puts a page of older events behind what is there.
 */
export function eventList(query, { fits = () => true, onPick, onEvents = () => {}, onDrawn = () => {}, live = true } = {}) {
  const list = h("ul", { class: "events", "aria-label": "Events, newest first" });
  const state = h("span", { class: "pulse", role: "status" });
  const waitingRows = skeleton(5);
  const nothing = h("p", { class: "soft quiet", hidden: true }, "Nothing yet. Events appear here the moment they are stored.");
  const pause = button("Pause", () => hold(!held), { kind: "plain small" });
  const head = h("div", { class: "row between" }, state, pause);
  let held = false;
  let waiting = [];
  let drawing = false;
  let drawn = 0;
  const rows = []; // oldest first
  let kept = KEPT;

  function hold(wanted) {
    held = wanted;
    setText(pause, held ? "Go on" : "Pause");
    pause.setAttribute("aria-pressed", String(held));
    if (!held) schedule();
  }

  function schedule() {
    if (drawing || held) return;
    drawing = true;
    setTimeout(() => requestAnimationFrame(draw), Math.max(0, drawn + EVERY - performance.now()));
  }

  function draw() {
    drawing = false;
    drawn = performance.now();
    const fresh = waiting.slice(-kept);
    waiting = [];
    for (const event of fresh) {
      const element = row(event, onPick, !query.session);
      show(element, fits(event));
      rows.push({ event, element });
      list.prepend(element);
    }
    for (const gone of rows.splice(0, Math.max(0, rows.length - kept))) gone.element.remove();
    tellWhetherEmpty();
  }

  function tellWhetherEmpty() {
    waitingRows.remove();
    show(nothing, !rows.some((one) => !one.element.hidden));
    onDrawn(rows.length);
  }

  const stop = live
    ? follow(
        query,
        (events) => {
          onEvents(events);
          waiting.push(...events);
          if (waiting.length > 2 * kept) waiting = waiting.slice(-kept);
          if (document.hidden && !held) draw();
          else schedule();
        },
        (word, problem) => {
          state.dataset.tone = { live: "good", waiting: "busy", refused: "bad" }[word];
          setText(state, { live: "live", waiting: "connecting", refused: problem ? sentence(problem.message) : "" }[word]);
          if (word !== "waiting") setTimeout(tellWhetherEmpty, 150); // what is there comes at once
        },
      )
    : () => {};
  show(head, live);

  return {
    element: h("div", {}, head, waitingRows, list, nothing),
    /** Older events, in the order of the log. */
    add(events) {
      kept = Math.min(MOST, Math.max(kept, rows.length + events.length));
      for (const event of [...events].reverse()) {
        const element = row(event, onPick, !query.session);
        show(element, fits(event));
        rows.unshift({ event, element });
        list.append(element);
      }
      onEvents(events);
      tellWhetherEmpty();
    },
    refilter() {
      for (const one of rows) show(one.element, fits(one.event));
      tellWhetherEmpty();
    },
    get oldest() {
      return rows[0]?.event.id ?? null;
    },
    get shown() {
      return rows.filter((one) => !one.element.hidden).map((one) => one.event);
    },
    /** What to say while there is nothing to show. */
    say: (...words) => fill(nothing, words),
    leave: stop,
  };
}

const today = () => new Date().toDateString();

/** The time alone for what happened today, with the date otherwise. */
function stamp(iso) {
  const moment = new Date(iso);
  const day = moment.toDateString() === today() ? "" : `${moment.toLocaleDateString([], { day: "numeric", month: "short", ...(moment.getFullYear() === new Date().getFullYear() ? {} : { year: "numeric" }) })}, `;
  return h("time", { datetime: iso, title: when(iso) }, day, clock(iso));
}

function row(event, onPick, withSession) {
  const details = h(
    "details",
    {},
    h(
      "summary",
      {},
      stamp(event.time),
      h("span", { class: "tag clip", title: event.type }, event.type),
      titled("who", [withSession ? event.session : null, origin(event)].filter(Boolean).join(" · "), short),
      titled("what clip", summary(event)),
    ),
  );
  details.addEventListener("toggle", () => details.append(insideOf(event)), { once: true });
  const answer = onPick && event.chat ? button("Reply", () => onPick(event), { kind: "plain small", "aria-label": `Reply in chat ${event.chat}` }) : null;
  const file = fileOf(event);
  return h("li", {}, details, file || answer ? h("div", { class: "tools" }, file, answer) : null);
}

const titled = (kind, text, shown = (whole) => whole) => h("span", { class: kind, title: text.slice(0, 300) }, shown(text));

/** A phone number is enough to know a person by; the title has the whole address. */
const short = (text) => text.replace("@s.whatsapp.net", "");

/** The whole event, made when somebody looks. */
function insideOf(event) {
  const text = JSON.stringify(event, null, 2);
  return h("div", {}, h("div", { class: "row end" }, button("Copy", () => copy(text, "The event is copied."), { kind: "plain small", "aria-label": `Copy event ${event.id}` })), h("pre", { tabindex: "0" }, text));
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
