// The list of sessions, and beside it the one that was chosen.

import { get, path, post } from "../base/api.js";
import { addSession } from "./adding.js";
import { ago, fill, h, keyed, setText, setTime, show } from "../base/dom.js";
import { ask, button, empty, every, pill, toast } from "../base/parts.js";
import { session as sessionView } from "./session.js";
import { GROUPS, actionOf, needsSomebody, platform, stateOf } from "../base/words.js";

const PAGE = 500;
const MOST = 5000;

async function all() {
  const found = [];
  let after = null;
  do {
    const page = await get(path("sessions"), { limit: PAGE, after });
    found.push(...page.sessions);
    after = page.next;
  } while (after && found.length < MOST);
  return found;
}

export function sessions(main, id, query) {
  let rows = null;
  let group = "all";
  let choosing = false;
  const picked = new Set();
  let detail = null;
  let chosen = null;

  const search = h("input", { type: "search", placeholder: "Search  ( / )", "aria-label": "Search sessions", oninput: () => {
    remember();
    draw();
  } });
  const chips = h("div", { class: "chips", role: "group", "aria-label": "Show" });
  const list = h("ul", { class: "list", "aria-label": "Sessions" });
  const nothing = h("div");
  const trouble = h("p", { class: "error", role: "alert", hidden: true });
  const choose = h("button", { type: "button", "aria-pressed": "false", onclick: () => setChoosing(!choosing) }, "Select");
  const bulk = bulkBar(picked, () => shownNow(), () => draw(), refresh);
  const side = h(
    "section",
    { class: "side", "aria-label": "All sessions" },
    h("div", { class: "row between" }, h("h1", {}, "Sessions"), h("div", { class: "row" }, choose, button("Add a session", () => addSession(added), { kind: "primary" }))),
    search,
    chips,
    bulk.element,
    trouble,
    list,
    nothing,
  );
  const pane = h("section", { class: "pane", "aria-label": "Chosen session" });
  fill(main, side, pane);

  const chipButtons = GROUPS.map(([name, label]) => {
    const number = h("span", { class: "number" });
    const element = h("button", { type: "button", class: "chip", "aria-pressed": "false" }, label, " ", number);
    element.addEventListener("click", () => {
      group = name;
      remember();
      draw();
    });
    return { name, element, number };
  });
  chips.append(...chipButtons.map((one) => one.element));

  function setChoosing(value) {
    choosing = value;
    picked.clear();
    choose.setAttribute("aria-pressed", String(choosing));
    setText(choose, choosing ? "Done" : "Select");
    draw();
  }

  function read(wanted) {
    const name = wanted?.get("show");
    group = GROUPS.some(([known]) => known === name) ? name : "all";
    search.value = wanted?.get("q") ?? "";
  }

  /** The filter stands in the address, so that it can be kept and shared. */
  function remember() {
    const filter = new URLSearchParams(Object.entries({ show: group === "all" ? "" : group, q: search.value.trim() }).filter(([, value]) => value));
    const own = chosen === null ? "" : `/${encodeURIComponent(chosen)}`;
    history.replaceState(null, "", `#/sessions${own}${filter.size ? `?${filter}` : ""}`);
  }

  function shownNow() {
    const text = search.value.trim().toLowerCase();
    return rows
      .filter(GROUPS.find(([name]) => name === group)[2])
      .filter((row) => !text || `${row.id} ${row.name} ${row.platform} ${row.reason}`.toLowerCase().includes(text))
      .sort((a, b) => needsSomebody(b) - needsSomebody(a));
  }

  function draw() {
    if (rows === null) return;
    const shown = shownNow();
    list.classList.toggle("choosing", choosing);
    bulk.update(choosing, shown);
    for (const chip of chipButtons) {
      setText(chip.number, String(rows.filter(GROUPS.find(([name]) => name === chip.name)[2]).length));
      chip.element.setAttribute("aria-pressed", String(chip.name === group));
    }
    keyed(list, shown, (row) => row.id, (row) => rowOf(row, picked, () => bulk.update(choosing, shownNow())));
    show(chips, rows.length > 0);
    show(search, rows.length > 0);
    if (shown.length) fill(nothing);
    else if (rows.length) fill(nothing, empty("Nothing fits", "No session fits the search and the group above."));
    else if (!nothing.hasChildNodes()) {
      const text = "A session is one Telegram bot or one WhatsApp account. Add a bot with the token that @BotFather gave you, or link a WhatsApp account by scanning a code.";
      fill(nothing, empty("No sessions yet", text, button("Add the first one", () => addSession(added), { kind: "primary" })));
    }
    for (const link of list.querySelectorAll("a")) {
      if (link.dataset.id === chosen) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
    const own = rows.find((row) => row.id === chosen);
    if (own && detail) detail.update(own);
  }

  async function refresh() {
    try {
      rows = await all();
      show(trouble, false);
    } catch (problem) {
      trouble.textContent = problem.message;
      show(trouble, problem.status !== 401);
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
    if (wanted !== null && wanted === chosen && detail) return draw();
    chosen = wanted;
    main.classList.toggle("chosen", chosen !== null);
    detail?.leave();
    detail = null;
    if (chosen === null) fill(pane, empty("Choose a session", "Its state, its history and everything you can do with it appear here."));
    else detail = sessionView(pane, chosen, rows?.find((row) => row.id === chosen), refresh);
    draw();
  }

  list.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const links = [...list.querySelectorAll("a")];
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
      main.classList.remove("chosen");
    },
  };
}

const VERBS = [
  ["start", "Start"],
  ["stop", "Stop"],
  ["restart", "Restart"],
  ["retry", "Retry now"],
];
const AT_ONCE = 8;

/** What can be done with many sessions: the chosen ones. */
function bulkBar(picked, shown, draw, refresh) {
  const count = h("strong", {}, "0 selected");
  const all = button("Select all shown", () => {
    const rows = shown();
    const full = rows.every((row) => picked.has(row.id));
    picked.clear();
    if (!full) for (const row of rows) picked.add(row.id);
    draw();
  });
  const actions = VERBS.map(([verb, label]) => button(label, () => act(verb, label)));

  async function act(verb, label) {
    const ids = [...picked];
    const words = `${label} ${ids.length} session${ids.length === 1 ? "" : "s"}?`;
    if (!ids.length || !(await ask(words, "Messages that arrive meanwhile are not lost.", label))) return;
    const refused = [];
    const queue = [...ids];
    const work = async () => {
      for (let id = queue.shift(); id !== undefined; id = queue.shift()) {
        try {
          await post(path("sessions", id, verb));
        } catch (problem) {
          refused.push(`${id}: ${problem.message}`);
        }
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    const done = ids.length - refused.length;
    if (done) toast(`${label}: ${done} session${done === 1 ? "" : "s"}.`);
    if (refused.length) toast(`${refused.length} refused. ${refused[0]}`, "bad");
    picked.clear();
    draw();
    await refresh();
  }

  const element = h("div", { class: "bulk", role: "group", "aria-label": "With the selected sessions", hidden: true }, h("div", { class: "row between" }, count, all), h("div", { class: "row" }, actions));
  return {
    element,
    update(choosing, rows) {
      const known = new Set(rows.map((row) => row.id));
      for (const id of picked) if (!known.has(id)) picked.delete(id);
      show(element, choosing);
      setText(count, `${picked.size} selected`);
      for (const one of actions) one.disabled = picked.size === 0;
    },
  };
}

function rowOf(first, picked, changed) {
  const name = h("span", { class: "name" });
  const state = pill();
  const about = h("span", { class: "soft clip" });
  const action = h("span", { class: "action" });
  const since = ago(first.since, { suffix: "" });
  const link = h(
    "a",
    { href: `#/sessions/${encodeURIComponent(first.id)}`, "data-id": first.id },
    h("span", { class: "row between" }, name, state),
    h("span", { class: "row between" }, about, since),
    action,
  );
  const box = h("input", { type: "checkbox", "aria-label": `Select ${first.name || first.id}` });
  box.addEventListener("change", () => {
    if (box.checked) picked.add(first.id);
    else picked.delete(first.id);
    changed();
  });
  return {
    element: h("li", {}, box, link),
    update(row) {
      box.checked = picked.has(row.id);
      setText(name, row.name || row.id);
      state.set(...stateOf(row));
      setText(about, `${platform(row.platform)} · ${row.detail || row.reason}`);
      setText(action, actionOf(row));
      show(action, actionOf(row) !== "");
      setTime(since, row.since);
    },
  };
}
