// The list of sessions, and beside it the one that was chosen.

import { get, path } from "./api.js";
import { addSession } from "./adding.js";
import { ago, fill, h, keyed, setText, setTime, show } from "./dom.js";
import { button, empty, every, pill } from "./parts.js";
import { session as sessionView } from "./session.js";
import { GROUPS, actionOf, needsSomebody, platform, stateOf } from "./words.js";

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

export function sessions(main, id) {
  let rows = null;
  let group = "all";
  let detail = null;
  let chosen = null;

  const search = h("input", { type: "search", placeholder: "Search  ( / )", "aria-label": "Search sessions", oninput: () => draw() });
  const chips = h("div", { class: "chips", role: "group", "aria-label": "Show" });
  const list = h("ul", { class: "list", "aria-label": "Sessions" });
  const nothing = h("div");
  const trouble = h("p", { class: "error", role: "alert", hidden: true });
  const side = h(
    "section",
    { class: "side", "aria-label": "All sessions" },
    h("div", { class: "row between" }, h("h1", {}, "Sessions"), button("Add a session", () => addSession(added), { kind: "primary" })),
    search,
    chips,
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
      draw();
    });
    return { name, element, number };
  });
  chips.append(...chipButtons.map((one) => one.element));

  function draw() {
    if (rows === null) return;
    const text = search.value.trim().toLowerCase();
    const shown = rows
      .filter(GROUPS.find(([name]) => name === group)[2])
      .filter((row) => !text || `${row.id} ${row.name} ${row.platform} ${row.reason}`.toLowerCase().includes(text))
      .sort((a, b) => needsSomebody(b) - needsSomebody(a));
    for (const chip of chipButtons) {
      setText(chip.number, String(rows.filter(GROUPS.find(([name]) => name === chip.name)[2]).length));
      chip.element.setAttribute("aria-pressed", String(chip.name === group));
    }
    keyed(list, shown, (row) => row.id, rowOf);
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

  function go(wanted) {
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

function rowOf(first) {
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
  return {
    element: h("li", {}, link),
    update(row) {
      setText(name, row.name || row.id);
      state.set(...stateOf(row));
      setText(about, `${platform(row.platform)} · ${row.detail || row.reason}`);
      setText(action, actionOf(row));
      show(action, actionOf(row) !== "");
      setTime(since, row.since);
    },
  };
}
