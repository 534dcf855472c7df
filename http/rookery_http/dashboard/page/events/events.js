// The event log of all sessions: live, or from a time on. The server filters by session, type, chat and time, the page by
// text. The filter stands in the address.

import { get, path } from "../base/api.js";
import { fill, h, setText, show } from "../base/dom.js";
import { button, saveText, toast, trouble } from "../base/parts.js";
import { summary } from "../base/telling.js";
import { origin } from "../base/words.js";
import { eventList } from "./event_list.js";

const PAGE = 200;
const EXPORTED = 50_000;
const NEWEST = Number.MAX_SAFE_INTEGER;
const NAMES = ["session", "type", "chat", "q", "at"];

export function events(main, _, query) {
  const seen = new Set(["message"]);
  const inputs = {
    session: h("input", { list: "known-sessions", id: "by-session", autocomplete: "off", placeholder: "any" }),
    type: h("input", { list: "known-types", id: "by-type", autocomplete: "off", placeholder: "any type" }),
    chat: h("input", { id: "by-chat", autocomplete: "off", placeholder: "any" }),
    q: h("input", { type: "search", id: "by-text", autocomplete: "off", placeholder: "anything  ( / )" }),
    at: h("input", { type: "datetime-local", id: "by-time", step: "1" }),
  };
  const sessions = h("datalist", { id: "known-sessions" });
  const types = h("datalist", { id: "known-types" });
  const place = h("div");
  const refused = trouble();
  const older = button("Show older ones", loadOlder);
  const newer = button("Show later ones", loadNewer);
  const live = button("Back to live", () => (inputs.at.value = "", open()), { kind: "primary" });
  const where = h("p", { class: "soft" });
  const labelled = (label, input) => h("div", { class: "field" }, h("label", { for: input.id }, label), input);
  const value = (name) => inputs[name].value.trim();
  let list = null;
  let back = null; // the next value of `before`; null: there is nothing older
  let forth = null; // the next value of `after`
  let none = null; // whether there is no session; null: not known

  function fits(event) {
    const wanted = value("q").toLowerCase();
    if (value("chat") && !inputs.at.value && event.chat !== value("chat") && !String(event.chat ?? "").startsWith(value("chat").replace(/[^\w@.:-]/g, ""))) return false;
    return !wanted || `${origin(event)} ${event.sender ?? ""} ${event.type} ${summary(event)}`.toLowerCase().includes(wanted);
  }

  function noteTypes(found) {
    const before = seen.size;
    for (const event of found) if (seen.size < 100) seen.add(event.type);
    if (seen.size > before) fill(types, [...seen].sort().map((one) => h("option", { value: one })));
  }

  function noteEvents(found) {
    if (found.length) none = false;
    noteTypes(found);
  }

  const asked = () => ({ session: value("session"), type: value("type").replace(/\s/g, ""), chat: value("chat") });

  async function open() {
    list?.leave();
    remember();
    refused.tell(null);
    const at = inputs.at.value ? new Date(inputs.at.value) : null;
    const { session, type } = asked();
    list = eventList({ session, type, last: PAGE }, { fits, onEvents: noteEvents, onDrawn: (rows) => show(older, rows > 0 && back !== null), live: at === null });
    fill(place, list.element);
    show(live, at !== null);
    show(newer, false);
    [back, forth] = [NEWEST, null];
    explain();
    setText(where, at === null ? "Live, newest first." : `From ${at.toLocaleString()} on.`);
    show(older, false);
    if (at !== null) await jump(at);
  }

  /** Why nothing is shown, and what to do first. */
  function explain() {
    if (none) return list.say("No events yet: they come from sessions. ", h("a", { href: "#/sessions" }, "Add a session"), " first.");
    if (NAMES.some((name) => name !== "at" && value(name))) return list.say("No event matches the filter.");
    return list.say(inputs.at.value ? "No events since then." : "No events yet. They appear here the moment they are stored.");
  }

  async function jump(at) {
    const mine = list;
    try {
      const page = await get("/v1/events", { ...asked(), since: at.toISOString(), limit: PAGE });
      if (mine !== list) return;
      mine.add(page.events);
      back = page.events[0]?.id ?? NEWEST;
      forth = page.next;
      show(newer, forth !== null);
      show(older, true);
    } catch (problem) {
      refused.tell(problem);
    }
  }

  async function loadOlder() {
    const before = inputs.at.value ? back : (list.oldest ?? NEWEST);
    const page = await get("/v1/events", { ...asked(), before, limit: PAGE });
    list.add(page.events);
    back = page.next;
    show(older, back !== null);
    if (back === null) toast("This is where the log begins.", "off");
  }

  /** What follows stands in front: a list of its own, since rows are added behind. */
  async function loadNewer() {
    const page = await get("/v1/events", { ...asked(), after: forth, limit: PAGE });
    const shown = [...list.shown, ...page.events];
    const next = eventList(asked(), { fits, live: false });
    next.add(shown);
    list = next;
    explain();
    fill(place, list.element);
    forth = page.next;
    show(newer, forth !== null);
  }

  async function exportAll() {
    const lines = [];
    const since = inputs.at.value ? new Date(inputs.at.value).toISOString() : null;
    let before = NEWEST;
    do {
      const page = await get("/v1/events", { ...asked(), since, before, limit: 500 });
      lines.unshift(...page.events.filter(fits).map((event) => JSON.stringify(event)));
      before = page.next;
    } while (before !== null && lines.length < EXPORTED);
    if (!lines.length) return toast("No event matches, so there is nothing to export.", "attention");
    saveText(`${lines.join("\n")}\n`, `events-${new Date().toISOString().slice(0, 19).replaceAll(":", "")}.jsonl`, "application/x-ndjson");
    return toast(`${lines.length} events are exported.`);
  }

  function remember() {
    const filter = new URLSearchParams(NAMES.map((name) => [name, value(name)]).filter(([, one]) => one));
    history.replaceState(null, "", `#/events${filter.size ? `?${filter}` : ""}`);
  }

  function read(wanted) {
    for (const name of NAMES) inputs[name].value = wanted?.get(name) ?? "";
  }

  fill(
    main,
    h("div", { class: "row between" }, h("div", {}, h("h1", {}, "Events"), where), h("div", { class: "row" }, live, button("Export as JSON lines", exportAll))),
    h("form", { class: "filters", onsubmit: (event) => event.preventDefault() }, labelled("Session", inputs.session), labelled("Type", inputs.type), labelled("Chat", inputs.chat), labelled("Text", inputs.q), labelled("From", inputs.at), sessions, types),
    refused,
    h("section", { class: "card" }, h("div", { class: "row center" }, newer), place, h("div", { class: "row center" }, older)),
  );
  for (const name of ["session", "type", "chat", "at"]) inputs[name].addEventListener("change", open);
  inputs.q.addEventListener("input", () => {
    remember();
    explain();
    list.refilter();
  });
  read(query);
  open();
  get(path("sessions"), { limit: 500 })
    .then((page) => {
      fill(sessions, page.sessions.map((row) => h("option", { value: row.id }, row.name)));
      none = page.sessions.length === 0;
      explain();
    })
    .catch(() => {});
  get("/v1/event-types")
    .then((page) => noteTypes(page.event_types))
    .catch(() => {});
  return {
    go(_id, wanted) {
      read(wanted);
      open();
    },
    leave: () => list.leave(),
  };
}
