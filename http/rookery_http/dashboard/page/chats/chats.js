// Conversations: chats on the left, both directions on the right.

import { everyPage, get, path, post } from "../base/api.js";
import { ago, fill, h, keyed, setText, setTime, show } from "../base/dom.js";
import { follow } from "../base/follow.js";
import { button, empty, every, remember, remembered, skeleton, trouble } from "../base/parts.js";
import { words } from "./bubble.js";
import { conversation } from "./conversation.js";

const PAGE = 100;
const MOST = 500; // in one answer
const SEEN = "rookery-seen";
const SEEN_MOST = 500;
const NEWEST = Number.MAX_SAFE_INTEGER;

const addressOf = (session, chat) => `#/chats/${encodeURIComponent(session)}${chat ? `?${new URLSearchParams({ chat })}` : ""}`;

export function chats(main, id, query) {
  let session = id;
  let chat = query?.get("chat") ?? null;
  let rows = null; // sessions
  let open = null;
  let unfollow = () => {};
  let due = null;
  let heard = [];
  let limit = PAGE;
  let watched = null;
  let loading = null;

  const picker = h("select", { "aria-label": "Session", onchange: () => (location.hash = addressOf(picker.value)) });
  const search = h("input", { type: "search", placeholder: "Search  ( / )", "aria-label": "Search chats", oninput: () => refresh() });
  const list = h("ul", { class: "list", "aria-label": "Chats" });
  const nothing = h("div", {}, skeleton(6));
  const refused = trouble();
  const more = button("Show more chats", () => ((limit += PAGE), refresh()), { kind: "plain" });
  const pane = h("section", { class: "pane talk", "aria-label": "Conversation" });
  show(more, false);
  fill(main, h("h1", { class: "off-screen only-narrow" }, "Chats"), h("section", { class: "side", "aria-label": "All chats" }, h("h1", {}, "Chats"), picker, search, refused, list, nothing, h("div", { class: "row center" }, more)), pane);

  const platformOf = () => rows?.find((row) => row.id === session)?.platform ?? null;

  async function sessions() {
    rows = await everyPage(path("sessions"), "sessions");
    rows.sort((a, b) => (a.name || a.id).localeCompare(b.name || b.id));
    fill(picker, rows.map((row) => h("option", { value: row.id }, row.name ? `${row.name} (${row.id})` : row.id)));
    show(picker, rows.length > 1);
    const busiest = session === null && rows.length > 1 ? await latestOf(rows) : null;
    session ??= busiest ?? rows[0]?.id ?? null;
    main.classList.toggle("none", session === null);
    if (session === null) return fill(nothing, empty("No sessions yet", "Chats appear here when a session has received or sent something.", h("a", { class: "button primary", href: "#/sessions" }, "Add a session")));
    picker.value = session;
    show(search, true);
    return listen();
  }

  async function refresh() {
    const events = heard;
    heard = [];
    try {
      if (!rows?.length) await (loading ??= sessions().finally(() => (loading = null)));
      if (session === null) return show(search, false);
      const page = await listed();
      if (page === null) return open?.refresh(undefined, events);
      refused.tell(null);
      const newest = (row) => (row.chat === chat && open?.newest ? open.newest : row.last);
      keyed(list, page.chats.map((row) => ({ ...row, unread: unreadOf(row), last: newest(row) })), (row) => row.chat, (row) => chatRow(session, row));
      fill(nothing, page.chats.length ? null : empty(search.value ? "No matches" : "No chats yet", search.value ? "No chat matches the search." : "Chats appear here when this session has received or sent something."));
      show(more, page.next !== null);
      for (const link of list.querySelectorAll("a")) {
        if (link.dataset.chat === chat) link.setAttribute("aria-current", "true");
        else link.removeAttribute("aria-current");
      }
      if (chat !== null && watched !== chat && platformOf() === "whatsapp") {
        watched = chat;
        post(path("sessions", session, "presence"), { subscribe: chat }).catch(() => null); // so that it is known who types
      }
      return await open?.refresh(page.chats.find((row) => row.chat === chat), events);
    } catch (problem) {
      nothing.querySelector(".skeleton")?.remove();
      if (problem.status !== 404 || rows?.some((row) => row.id === session)) return refused.tell(problem);
      rows = null; // it may be created yet
      fill(list);
      return fill(nothing, empty("There is no such session", `No session has the id ${session}. It may have been deleted, or the address is from another server.`, h("a", { class: "button primary", href: "#/sessions" }, "See all sessions")));
    }
  }

  /** As many chats as are wanted: the server looks at some of them at a time, so a page of a search may be short. Null: what
   * is looked for has changed meanwhile, and another call lists it. */
  async function listed() {
    const [of, q] = [session, search.value.trim()];
    const page = { chats: [], next: null };
    do {
      const { chats: found, next } = await get(path("sessions", of, "chats"), { q, limit: Math.min(limit - page.chats.length, MOST), after: page.next });
      if (of !== session || q !== search.value.trim()) return null;
      page.chats.push(...found);
      page.next = next;
    } while (page.next !== null && page.chats.length < limit);
    return page;
  }

  function soon(events = []) {
    heard.push(...events);
    for (const event of events) open?.hear(event);
    due ??= setTimeout(() => {
      due = null;
      refresh();
    }, 250);
  }

  function listen() {
    unfollow();
    unfollow = session === null ? () => {} : follow({ session }, soon, () => {});
  }

  /** Platforms that know no mark of reading: what was shown here counts as read here. */
  const unreadOf = (row) => (platformOf() === "whatsapp" || (seenHere()[`${session} ${row.chat}`] ?? "") < row.last_at ? row.unread : 0);

  async function seen(row, newest, deliver) {
    if (platformOf() !== "whatsapp") {
      const entries = Object.entries({ ...seenHere(), [`${session} ${row.chat}`]: row.last_at });
      return remember(SEEN, JSON.stringify(Object.fromEntries(entries.slice(-SEEN_MOST))));
    }
    if (!newest || seen.last === newest.message_id) return null;
    seen.last = newest.message_id;
    return deliver({ type: "read", message_id: newest.message_id }).catch(() => null); // a key that may only look
  }

  function go(wanted, filter) {
    const moved = wanted !== null && wanted !== session;
    if (wanted !== null) session = wanted;
    chat = filter?.get("chat") ?? null;
    main.classList.toggle("chosen", chat !== null);
    open?.leave();
    open = null;
    if (chat === null) fill(pane, empty("Choose a chat", "Its messages appear here, and you can reply."));
    else open = conversation(pane, { session, chat, changed: soon, seen });
    if (moved) {
      picker.value = session;
      limit = PAGE;
      fill(list);
      list.keyedElements?.clear();
      listen();
    }
    refresh();
  }

  list.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const links = [...list.querySelectorAll("a")];
    const next = links[links.indexOf(document.activeElement) + step];
    if (!step || !next) return;
    event.preventDefault();
    next.focus();
  });
  search.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowDown") return;
    event.preventDefault();
    list.querySelector("a")?.focus();
  });

  go(id, query ?? new URLSearchParams());
  const end = every(5000, refresh);
  return {
    go,
    leave() {
      end();
      unfollow();
      clearTimeout(due);
      open?.leave();
      main.classList.remove("chosen", "none");
    },
  };
}

/** The session that received a message last; null when none did, or the key may not see that. */
async function latestOf(rows) {
  try {
    const { events } = await get("/v1/events", { type: "message", before: NEWEST, limit: 1 });
    return rows.find((row) => row.id === events[0]?.session)?.id ?? null;
  } catch {
    return null;
  }
}

function seenHere() {
  try {
    return JSON.parse(remembered(SEEN) ?? "{}");
  } catch {
    return {};
  }
}

function chatRow(session, first) {
  const name = h("span", { class: "name" });
  const since = ago(first.last_at, { suffix: "" });
  const last = h("span", { class: "soft clip" });
  const unread = h("span", { class: "unread" });
  return {
    element: h("li", {}, h("a", { href: addressOf(session, first.chat), "data-chat": first.chat }, h("span", { class: "row between" }, name, since), h("span", { class: "row between" }, last, unread))),
    update(row) {
      setText(name, row.name || row.chat);
      name.title = row.chat;
      setTime(since, row.last_at);
      const said = row.last ? words(row.last) : "";
      setText(last, row.last?.direction === "out" ? `You: ${said}` : said);
      last.title = said.slice(0, 300);
      setText(unread, row.unread >= 1000 ? "1000+" : String(row.unread));
      unread.title = `${row.unread} unread`;
      show(unread, row.unread > 0);
    },
  };
}
