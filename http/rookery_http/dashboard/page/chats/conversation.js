// One chat: what was written and answered, who types, and a place to write.

import { get, path, post } from "../base/api.js";
import { ask } from "../base/dialogs.js";
import { fill, h, setText, show } from "../base/dom.js";
import { button, empty, skeleton, trouble } from "../base/parts.js";
import { bubble } from "./bubble.js";
import { composer } from "./composer.js";
import { chatSearch } from "./search.js";
import { windowed } from "./window.js";

const PAGE = 50;
const OLDER = 200;
const FAR = 500; // messages at a time on the way to one that is far back
const FURTHEST = 10_000; // messages that one hit of the search may load
const TYPING = 15_000; // milliseconds for which somebody who types is believed to go on
const STATES = { typing: "is typing…", recording: "is recording…" };
const keyOf = (message) => message.cursor;

/** `changed()` asks the list of chats to look again; `seen(row)` is told that the chat's newest message was shown. */
export function conversation(pane, { session, chat, changed, seen }) {
  const at = (...parts) => path("sessions", session, ...parts);
  let older = null;
  let known = []; // newest first
  let started = false;
  let left = false;
  let loading = null;
  let missed = 0;
  let typing = null;
  let described = "";
  let canonical = chat; // as events name it

  const title = h("h2", { class: "title clip", title: chat }, chat);
  const about = h("p", { class: "soft", role: "status" });
  const refused = trouble();
  const scroll = h("div", { class: "scroll" });
  const first = h("div", { class: "first" }, skeleton(5));
  const latest = button("", toNewest, { kind: "small to-newest", hidden: true });
  const write = composer(session, chat, { deliver, sent: async () => (await read(), toNewest()) });
  const messages = windowed(scroll, "Messages, newest first", {
    keyOf,
    make: (message) => bubble(message, { find, answer: write.answer, react, edit: write.edit, erase }),
    needOlder: () => older !== null && loadOlder().catch(() => {}),
    onMove(atNewest) {
      if (atNewest) missed = 0;
      tellMissed(atNewest);
    },
  });
  const search = chatSearch({ ask: (q, before) => get(at("chats", chat, "messages"), { q, before, limit: PAGE }), reveal });
  const more = button("Show what is older", () => loadOlder(), { kind: "plain" });
  show(more, false);
  scroll.append(more, first);
  fill(pane, h("a", { class: "back", href: `#/chats/${encodeURIComponent(session)}` }, "← All chats"), h("header", {}, h("div", { class: "row between nowrap" }, title, search.toggle), about, search.element), refused, h("div", { class: "scroll-box" }, scroll, latest), write.element);

  const find = (id) => known.find((one) => one.message_id === id) ?? null;

  function tellMissed(atNewest = messages.atNewest) {
    setText(latest, missed ? `↓ ${missed} new` : "↓ Newest");
    show(latest, !atNewest);
  }

  function toNewest() {
    missed = 0;
    messages.toNewest();
  }

  /** Put a page in place of what was known of that stretch. Times do not order messages: many share a second. */
  function merge({ messages: page, next }, isNewest) {
    const index = new Map(known.map((one, at) => [keyOf(one), at]));
    const places = page.map((one) => index.get(keyOf(one))).filter((one) => one !== undefined);
    if (places.length) known = [...known.slice(0, isNewest ? 0 : Math.min(...places)), ...page, ...known.slice(Math.max(...places) + 1)];
    else if (isNewest) [known, older] = [page, next]; // the first page, or more came than a page holds
  }

  async function read() {
    const page = await get(at("chats", chat, "messages"), { limit: PAGE });
    if (left) return;
    const newest = known[0] ? keyOf(known[0]) : null;
    const added = newest === null ? 0 : Math.max(0, page.messages.findIndex((one) => keyOf(one) === newest));
    if (page.messages.length) merge(page, true);
    if (!messages.atNewest) missed += page.messages.slice(0, added).filter((one) => one.direction === "in").length;
    drawn(added);
  }

  /** Also what stands further up may have been edited, deleted or reacted to. */
  async function readShown() {
    const shown = messages.shown;
    if (shown.length <= PAGE && messages.atNewest) return;
    const start = known.indexOf(shown[0]);
    const page = await get(at("chats", chat, "messages"), { limit: Math.min(100, shown.length), before: start > 0 ? keyOf(known[start - 1]) : null });
    if (left || !page.messages.length) return;
    merge(page, false);
    drawn(0);
  }

  function loadOlder(limit = OLDER) {
    loading ??= (async () => {
      try {
        const page = await get(at("chats", chat, "messages"), { limit, before: older });
        if (left) return;
        const have = new Set(known.map(keyOf));
        known = [...known, ...page.messages.filter((one) => !have.has(keyOf(one)))];
        older = page.next;
        drawn(0);
      } finally {
        loading = null;
      }
    })();
    return loading;
  }

  /** Show a message among the others; returns a sentence instead when it stands too far back to load all in between. */
  async function reveal(message) {
    const here = () => known.some((one) => keyOf(one) === keyOf(message));
    const most = known.length + FURTHEST;
    while (!left && !here() && older !== null && known.length < most) await loadOlder(FAR);
    if (!left && here()) messages.reveal(keyOf(message));
    else if (!left && older !== null) return `This message stands more than ${FURTHEST.toLocaleString("en")} messages further back. Choose it again to go on.`;
    return null;
  }

  function drawn(added) {
    if (!started) first.replaceChildren();
    started = true;
    messages.set(known, added);
    show(more, older !== null);
    fill(first, known.length ? null : empty("No messages yet", "Write the first one below."));
    tellMissed();
  }

  function deliver(body) {
    const more = { "Idempotency-Key": crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}` };
    return post(at("messages"), { to: chat, ...body }, { query: { wait: 0 }, more });
  }

  async function react(message, emoji) {
    const own = message.reactions.find((one) => one.sender === null);
    await deliver({ type: "reaction", message_id: message.message_id, emoji: own?.emoji === emoji ? "" : emoji });
    changed();
  }

  async function erase(message) {
    if (!(await ask("Delete this message?", "It is deleted for everybody in the chat, where the platform still allows that.", "Delete", { danger: true }))) return;
    await deliver({ type: "delete", message_id: message.message_id });
    changed();
  }

  const escape = (event) => {
    if (event.key !== "Escape" || document.querySelector("dialog[open]") || write.dismiss()) return;
    location.hash = `#/chats/${encodeURIComponent(session)}`;
  };
  document.addEventListener("keydown", escape);
  if (matchMedia("(pointer: fine)").matches) write.focus();

  function describe() {
    setText(about, typing ? typing.words : described);
  }

  return {
    /** Look again; `row` is the chat in the list, if it is there. */
    async refresh(row, events = []) {
      if (row) {
        canonical = row.chat;
        setText(title, row.name || row.chat);
        title.title = title.textContent;
        described = [row.name ? row.chat : null, row.kind].filter(Boolean).join(" · ");
        describe();
      }
      try {
        await read();
        if (events.length) await readShown();
        refused.tell(null);
      } catch (problem) {
        first.replaceChildren();
        refused.tell(problem);
        return;
      }
      if (row?.unread > 0 && document.hasFocus() && messages.atNewest) seen(row, known.find((one) => one.direction === "in" && one.message_id), deliver);
    },
    /** Events as they come: who types. */
    hear(event) {
      if (event.chat !== canonical || (typing === null && event.type !== "chat_presence")) return;
      clearTimeout(typing?.timer);
      typing = null;
      const state = event.type === "chat_presence" ? STATES[event.body.state] : null;
      if (state) typing = { words: `${event.body.sender_name ?? title.textContent} ${state}`, timer: setTimeout(() => ((typing = null), describe()), TYPING) };
      describe();
    },
    /** With what became of it, which the list of chats does not say. */
    get newest() {
      return known[0] ?? null;
    },
    leave() {
      left = true;
      search.leave();
      clearTimeout(typing?.timer);
      document.removeEventListener("keydown", escape);
      for (const entry of messages.list.keyedElements?.values() ?? []) entry.leave();
    },
  };
}
