// The event log, live, of all sessions; the server filters by session and type, the page by text.

import { get, path } from "../base/api.js";
import { fill, h } from "../base/dom.js";
import { eventList } from "./event_list.js";
import { origin, summary } from "../base/words.js";

export function events(main) {
  const seen = new Set(["message"]);
  const session = h("input", { list: "known-sessions", id: "by-session", autocomplete: "off", placeholder: "any" });
  const type = h("input", { list: "known-types", id: "by-type", autocomplete: "off", placeholder: "any" });
  const text = h("input", { type: "search", id: "by-text", autocomplete: "off", placeholder: "anything  ( / )" });
  const sessions = h("datalist", { id: "known-sessions" });
  const types = h("datalist", { id: "known-types" });
  const place = h("div");
  const labelled = (label, input) => h("div", { class: "field" }, h("label", { for: input.id }, label), input);
  let list = null;

  function fits(event) {
    const wanted = text.value.trim().toLowerCase();
    return !wanted || `${origin(event)} ${event.sender ?? ""} ${summary(event)}`.toLowerCase().includes(wanted);
  }

  function noteTypes(found) {
    const before = seen.size;
    for (const event of found) if (seen.size < 50) seen.add(event.type);
    if (seen.size > before) fill(types, [...seen].sort().map((value) => h("option", { value })));
  }

  function open() {
    list?.leave();
    const query = { session: session.value.trim(), type: type.value.replace(/\s/g, ""), last: 200 };
    list = eventList(query, { fits, onTypes: noteTypes });
    fill(place, list.element);
  }

  fill(
    main,
    h("div", { class: "row between" }, h("h1", {}, "Events"), h("p", { class: "soft" }, "Everything that the platforms told, as it is stored.")),
    h("form", { class: "filters", onsubmit: (event) => event.preventDefault() }, labelled("Session", session), labelled("Type", type), labelled("Text", text), sessions, types),
    h("section", { class: "card" }, place),
  );
  session.addEventListener("change", open);
  type.addEventListener("change", open);
  text.addEventListener("input", () => list.refilter());
  open();
  get(path("sessions"), { limit: 500 })
    .then((page) => fill(sessions, page.sessions.map((row) => h("option", { value: row.id }, row.name))))
    .catch(() => {});
  return { leave: () => list.leave() };
}
