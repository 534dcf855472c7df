// The list of sessions, as cards or as a table, and beside it the one that was chosen.

import { everyPage, get, path } from "../base/api.js";
import { fill, h, keyed, setText, show } from "../base/dom.js";
import { button, empty, every, remember, remembered, segments, skeleton, trouble } from "../base/parts.js";
import { GROUPS } from "../base/words.js";
import { addSession } from "./adding.js";
import { bulkBar } from "./bulk.js";
import { HEADINGS, ORDERS, arranged, withHeadings } from "./order.js";
import { COLUMNS, cardOf, lineOf } from "./rows.js";
import { session as sessionView } from "./session.js";

const WAITING = "waiting";
const SHAPE = "rookery-sessions";

/** All sessions; those that have not changed are the same objects as in `before`, so that nothing is drawn for them. */
async function all(before) {
  const known = new Map((before ?? []).map((row) => [row.id, row]));
  const found = await everyPage(path("sessions"), "sessions");
  return found.map((row) => {
    const old = known.get(row.id);
    return old && old.updated_at === row.updated_at && JSON.stringify(old) === JSON.stringify(row) ? old : row;
  });
}

export function sessions(main, id, query) {
  let rows = null;
  let waiting = new Set(); // ids of sessions with waiting sends; read while they are asked for
  let group = "all";
  let order = "need";
  let down = false;
  let heading = "none";
  let shape = remembered(SHAPE) === "table" ? "table" : "cards";
  let choosing = false;
  const picked = new Set();
  let detail = null;
  let chosen = null;

  const search = h("input", { type: "search", placeholder: "Search  ( / )", "aria-label": "Search sessions", oninput: () => changed() });
  const chips = h("div", { class: "chips", role: "group", "aria-label": "Show" });
  const list = h("ul", { class: "list", "aria-label": "Sessions" });
  const nothing = h("div", {}, skeleton(5));
  const refused = trouble();
  const choose = h("button", { type: "button", hidden: true, "aria-pressed": "false", onclick: () => setChoosing(!choosing) }, "Select");
  const bulk = bulkBar(picked, () => shownNow(), () => draw(), refresh);
  const pick = (label, choices, onPick) => {
    const element = h("select", { "aria-label": label }, Object.entries(choices).map(([value, [text]]) => h("option", { value }, text)));
    element.addEventListener("change", () => onPick(element.value));
    return element;
  };
  const orders = pick("Order", ORDERS, (value) => ((order = value), (down = false), changed()));
  const headings = pick("Headings", HEADINGS, (value) => ((heading = value), changed()));
  const shapes = segments("Show as", [["cards", "Cards"], ["table", "Table"]], shape, (value) => {
    shape = value;
    remember(SHAPE, value);
    list.replaceChildren();
    list.keyedElements?.clear();
    draw();
  });
  const columns = h("div", { class: "line columns-head" }, h("span"), COLUMNS.map(([name, label]) => h("button", { type: "button", class: "plain small", "data-order": name, onclick: () => sortBy(name) }, label)));
  const tools = h("div", { class: "list-tools" }, orders, headings, shapes);
  const side = h(
    "section",
    { class: "side", "aria-label": "All sessions" },
    h("div", { class: "row between" }, h("h1", {}, "Sessions"), h("div", { class: "row" }, choose, button("Add a session", () => addSession(added), { kind: "primary" }))),
    search,
    chips,
    tools,
    bulk.element,
    refused,
    columns,
    list,
    nothing,
  );
  const pane = h("section", { class: "pane", "aria-label": "Chosen session" });
  fill(main, h("h1", { class: "off-screen only-narrow" }, "Sessions"), side, pane);

  const chipButtons = GROUPS.map(([name, label]) => {
    const number = h("span", { class: "number" });
    const element = h("button", { type: "button", class: "chip", "aria-pressed": "false" }, label, " ", number);
    element.addEventListener("click", () => ((group = name), changed()));
    return { name, element, number };
  });
  const waitingChip = h("button", { type: "button", class: "chip", "aria-pressed": "true", onclick: () => ((group = "all"), changed()) }, "With waiting sends ×");
  chips.append(...chipButtons.map((one) => one.element), waitingChip);

  const fitsGroup = (row) => (group === WAITING ? waiting.has(row.id) : GROUPS.find(([name]) => name === group)[2](row));

  function sortBy(name) {
    down = order === name && !down;
    order = name;
    changed();
  }

  function setChoosing(value) {
    choosing = value;
    picked.clear();
    choose.setAttribute("aria-pressed", String(choosing));
    setText(choose, choosing ? "Done" : "Select");
    draw();
  }

  const one = (wanted, known, otherwise) => (wanted !== null && Object.hasOwn(known, wanted) ? wanted : otherwise);

  function read(wanted) {
    const name = wanted?.get("show");
    group = name === WAITING || GROUPS.some(([known]) => known === name) ? name : "all";
    order = one(wanted?.get("order") ?? null, ORDERS, "need");
    down = wanted?.get("down") === "1";
    heading = one(wanted?.get("by") ?? null, HEADINGS, "none");
    search.value = wanted?.get("q") ?? "";
  }

  function changed() {
    writeAddress();
    draw();
  }

  /** The filter stands in the address, so that it can be kept and shared. */
  function writeAddress() {
    const all = { show: group === "all" ? "" : group, q: search.value.trim(), order: order === "need" ? "" : order, down: down ? "1" : "", by: heading === "none" ? "" : heading };
    const filter = new URLSearchParams(Object.entries(all).filter(([, value]) => value));
    const own = chosen === null ? "" : `/${encodeURIComponent(chosen)}`;
    history.replaceState(null, "", `#/sessions${own}${filter.size ? `?${filter}` : ""}`);
  }

  const shownNow = () => arranged(rows, { fits: fitsGroup, text: search.value.trim(), order, down, heading });

  function draw() {
    if (rows === null) return;
    const shown = shownNow();
    const table = shape === "table" && chosen === null;
    main.classList.toggle("as-table", table);
    list.classList.toggle("choosing", choosing);
    columns.classList.toggle("choosing", choosing);
    bulk.update(choosing, shown);
    for (const chip of chipButtons) {
      setText(chip.number, String(rows.filter(GROUPS.find(([name]) => name === chip.name)[2]).length));
      chip.element.setAttribute("aria-pressed", String(chip.name === group));
    }
    show(waitingChip, group === WAITING);
    const make = table ? lineOf : cardOf;
    keyed(
      list,
      withHeadings(shown, heading),
      (row) => (row.heading === undefined ? `${table ? "line" : "card"} ${row.id}` : `heading ${row.heading}`),
      (row) => (row.heading === undefined ? make(row, picked, () => bulk.update(choosing, shownNow())) : headingOf()),
    );
    show(chips, rows.length > 0);
    show(search, rows.length > 0);
    show(tools, rows.length > 1);
    show(choose, rows.length > 0);
    main.classList.toggle("none", rows.length === 0 && chosen === null);
    show(columns, table && shown.length > 0);
    orders.value = order;
    headings.value = heading;
    for (const column of columns.querySelectorAll("button")) column.dataset.sorted = column.dataset.order === order ? (down ? "down" : "up") : "";
    if (shown.length) fill(nothing);
    else if (rows.length) fill(nothing, empty("No matches", "No session matches the search and the filter above."));
    else if (!nothing.querySelector(".empty")) {
      const text = "A session is one Telegram bot or one WhatsApp account. Add a bot with the token that @BotFather gave you, or link a WhatsApp account by scanning a code.";
      fill(nothing, empty("No sessions yet", text, button("Add the first one", () => addSession(added), { kind: "primary" })));
    }
    for (const link of list.querySelectorAll("a[data-id]")) {
      if (link.dataset.id === chosen) link.setAttribute("aria-current", "true");
      else if (link.hasAttribute("aria-current")) link.removeAttribute("aria-current");
    }
    const own = rows.find((row) => row.id === chosen);
    if (own && detail) detail.update(own);
  }

  async function refresh() {
    try {
      if (group === WAITING) waiting = new Set((await get("/v1/overview")).waiting_sessions);
      rows = await all(rows);
      refused.tell(null);
    } catch (problem) {
      refused.tell(problem);
      if (problem.status !== 0) fill(nothing);
      return;
    }
    draw();
  }

  function added(session) {
    location.hash = `#/sessions/${encodeURIComponent(session.id)}`;
    refresh();
  }

  function go(wanted, filter) {
    if (filter?.size) read(filter);
    const same = wanted !== null && wanted === chosen && detail;
    chosen = wanted;
    if (filter?.size === 0) writeAddress(); // a link to a session does not name the filter, which stays
    if (same) return draw();
    main.classList.toggle("chosen", chosen !== null);
    detail?.leave();
    detail = null;
    if (chosen === null) fill(pane, empty("Choose a session", "Its state, its history and everything you can do with it appear here."));
    else detail = sessionView(pane, chosen, rows?.find((row) => row.id === chosen), refresh);
    draw();
  }

  list.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const links = [...list.querySelectorAll("a[data-id]")];
    const at = links.indexOf(document.activeElement);
    if (step && at >= 0 && links[at + step]) {
      event.preventDefault();
      links[at + step].focus();
    }
  });
  const escape = (event) => {
    if (event.key === "Escape" && chosen !== null && !document.querySelector("dialog[open]")) location.hash = "#/sessions";
  };
  document.addEventListener("keydown", escape);

  read(query);
  go(id);
  const end = every(1500, refresh);
  return {
    go,
    leave() {
      end();
      detail?.leave();
      document.removeEventListener("keydown", escape);
      main.classList.remove("chosen", "as-table", "none");
    },
  };
}

function headingOf() {
  const title = h("span");
  const count = h("span", { class: "number" });
  return {
    element: h("li", { class: "list-heading" }, h("span", {}, title, " ", count)),
    update(row) {
      setText(title, row.heading);
      setText(count, String(row.count));
    },
  };
}
