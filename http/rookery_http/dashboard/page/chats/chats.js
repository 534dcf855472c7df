// Conversations: chats on the left, both directions on the right; write, attach, answer, react.

import { get, path, picture, post, upload } from "../base/api.js";
import { ago, clock, fill, h, keyed, setText, setTime, show } from "../base/dom.js";
import { follow } from "../base/follow.js";
import { button, empty, every, run, toast } from "../base/parts.js";
import { summary } from "../base/telling.js";
import { STATES } from "../base/words.js";

const PAGE = 50;
const QUICK = ["👍", "❤️", "😂", "🎉", "🙏"];
const TICKS = { scheduled: "◷", queued: "◷", sending: "◷", sent: "✓", delivered: "✓✓", read: "✓✓", failed: "✕", expired: "✕", unknown: "?", cancelled: "–" };
const KIND = { image: "image", video: "video", audio: "audio" };

export function chats(main, id, query) {
  let session = id;
  let chat = query?.get("chat") ?? null;
  let open = null;
  let unfollow = () => {};
  let due = null;

  const picker = h("select", { "aria-label": "Session", onchange: () => (location.hash = `#/chats/${encodeURIComponent(picker.value)}`) });
  const search = h("input", { type: "search", placeholder: "Search  ( / )", "aria-label": "Search chats", oninput: () => refresh() });
  const list = h("ul", { class: "list", "aria-label": "Chats" });
  const nothing = h("div");
  const trouble = h("p", { class: "error", role: "alert", hidden: true });
  const pane = h("section", { class: "pane talk", "aria-label": "Conversation" });
  fill(main, h("h1", { class: "off-screen only-narrow" }, "Chats"), h("section", { class: "side", "aria-label": "All chats" }, h("h1", {}, "Chats"), picker, search, trouble, list, nothing), pane);

  async function sessions() {
    const rows = (await get(path("sessions"), { limit: 500 })).sessions;
    fill(picker, rows.map((row) => h("option", { value: row.id }, row.name ? `${row.name} (${row.id})` : row.id)));
    show(picker, rows.length > 1);
    session ??= rows[0]?.id ?? null;
    if (session !== null) picker.value = session;
    else fill(nothing, empty("No sessions yet", "Chats appear here when a session has received or sent something.", h("a", { class: "button primary", href: "#/sessions" }, "Add a session")));
  }

  async function refresh() {
    try {
      if (!picker.options.length) await sessions();
      if (session === null) return;
      const page = await get(path("sessions", session, "chats"), { q: search.value.trim(), limit: 200 });
      show(trouble, false);
      keyed(list, page.chats, (row) => row.chat, (row) => chatRow(session, row));
      fill(nothing, page.chats.length ? null : empty("Nothing here", search.value ? "No chat fits the search." : "This session has no chats yet."));
      for (const link of list.querySelectorAll("a")) {
        if (link.dataset.chat === chat) link.setAttribute("aria-current", "true");
        else link.removeAttribute("aria-current");
      }
      await open?.refresh(page.chats.find((row) => row.chat === chat));
    } catch (problem) {
      trouble.textContent = problem.message;
      show(trouble, problem.status !== 401);
    }
  }

  function soon() {
    due ??= setTimeout(() => {
      due = null;
      refresh();
    }, 250);
  }

  function listen() {
    unfollow();
    if (session !== null) unfollow = follow({ session }, soon, () => {});
  }

  function go(wanted, filter) {
    const moved = wanted !== null && wanted !== session;
    if (wanted !== null) session = wanted;
    chat = filter?.get("chat") ?? null;
    main.classList.toggle("chosen", chat !== null);
    open?.leave();
    open = null;
    if (chat === null) fill(pane, empty("Choose a chat", "What was written and what was answered appears here."));
    else open = conversation(pane, session, chat, soon);
    if (moved) {
      picker.value = session;
      list.replaceChildren();
      list.keyedElements?.clear();
    }
    listen();
    refresh();
  }

  go(id, query ?? new URLSearchParams());
  const end = every(2500, refresh);
  return {
    go,
    leave() {
      end();
      unfollow();
      clearTimeout(due);
      open?.leave();
      main.classList.remove("chosen");
    },
  };
}

function chatRow(session, first) {
  const name = h("span", { class: "name" });
  const since = ago(first.last_at, { suffix: "" });
  const last = h("span", { class: "soft clip" });
  const unread = h("span", { class: "unread" });
  const href = `#/chats/${encodeURIComponent(session)}?${new URLSearchParams({ chat: first.chat })}`;
  return {
    element: h("li", {}, h("a", { href, "data-chat": first.chat }, h("span", { class: "row between" }, name, since), h("span", { class: "row between" }, last, unread))),
    update(row) {
      setText(name, row.name || row.chat);
      setTime(since, row.last_at);
      const said = row.last ? words(row.last) : "";
      setText(last, row.last?.direction === "out" ? `You: ${said}` : said);
      setText(unread, row.unread >= 1000 ? "1000+" : String(row.unread));
      unread.title = `${row.unread} unread`;
      show(unread, row.unread > 0);
    },
  };
}

function words(message) {
  if (message.deleted_at) return "deleted";
  return message.text || (message.content ? summary({ body: message.content }) : "") || `[${message.type}]`;
}

/** One chat. The newest message stands at the bottom, where the list begins, so that a new one never moves what is read. */
function conversation(pane, session, chat, changed) {
  const at = (...parts) => path("sessions", session, ...parts);
  let older = null;
  let known = [];
  let answering = null;
  let file = null;
  let left = false;

  const title = h("h2", { class: "title" }, chat);
  const about = h("p", { class: "soft" });
  const bubbles = h("ol", { class: "bubbles", "aria-label": "Messages, newest first", tabindex: "0" });
  const more = button("Show what is older", loadOlder, { kind: "plain" });
  const error = h("p", { class: "error", role: "alert", hidden: true });
  const text = h("textarea", { rows: "2", spellcheck: "true", "aria-label": "Message", placeholder: "Write a message" });
  const send = h("button", { type: "submit", class: "primary" }, "Send");
  const note = h("div", { class: "row between note", hidden: true });
  const picker = h("input", { type: "file", hidden: true, "aria-label": "File to send", onchange: () => attach(picker.files[0] ?? null) });
  const form = h("form", { class: "write", novalidate: true }, note, text, error, h("div", { class: "row between" }, button("Attach a file", () => picker.click(), { kind: "plain" }), picker, send));
  show(more, false);
  fill(pane, h("a", { class: "back", href: `#/chats/${encodeURIComponent(session)}` }, "← All chats"), h("header", {}, title, about), h("div", { class: "scroll" }, bubbles, more), form);

  async function read() {
    const page = await get(at("chats", chat, "messages"), { limit: PAGE });
    if (left) return;
    // What was loaded before stays; what both have is newer in the page.
    const fresh = new Set(page.messages.map(keyOf));
    const oldest = page.messages.at(-1);
    known = [...page.messages, ...known.filter((one) => !fresh.has(keyOf(one)) && oldest && Date.parse(one.time) <= Date.parse(oldest.time))];
    if (older === null && page.next) older = page.next;
    draw();
  }

  async function loadOlder() {
    const page = await get(at("chats", chat, "messages"), { limit: PAGE, before: older });
    if (left) return;
    known.push(...page.messages);
    older = page.next;
    show(more, older !== null);
    draw();
  }

  function draw() {
    show(more, older !== null);
    keyed(bubbles, known, keyOf, (message) => bubble(message, { answer, react }));
  }

  function answer(message) {
    answering = message;
    describe();
    text.focus();
  }

  function attach(chosen) {
    file = chosen;
    describe();
    text.focus();
  }

  function describe() {
    const parts = [answering ? `Answer to: ${words(answering).slice(0, 80)}` : null, file ? `File: ${file.name}` : null].filter(Boolean);
    show(note, parts.length > 0);
    fill(note, h("span", { class: "clip soft" }, parts.join(" · ")), button("Leave out", () => {
      answering = null;
      attach(null);
      picker.value = "";
    }, { kind: "plain small" }));
  }

  async function deliver(body) {
    const more = { "Idempotency-Key": crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}` };
    return post(at("messages"), { to: chat, ...body }, { query: { wait: 0 }, more });
  }

  async function react(message, emoji) {
    const own = message.reactions.find((one) => one.sender === null);
    await deliver({ type: "reaction", message_id: message.message_id, emoji: own?.emoji === emoji ? "" : emoji });
    changed();
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    run(send, async () => {
      show(error, false);
      const written = text.value.trim();
      if (!written && !file) return text.focus();
      try {
        const body = answering?.message_id ? { reply_to: answering.message_id } : {};
        if (file) {
          const stored = await upload("/v1/media", file, { session, filename: file.name });
          Object.assign(body, { type: KIND[file.type.split("/")[0]] ?? "document", media: stored.id }, written ? { caption: written } : {});
        } else Object.assign(body, { type: "text", text: written });
        await deliver(body);
        text.value = "";
        answering = null;
        picker.value = "";
        attach(null);
        await read();
        bubbles.scrollTop = 0;
      } catch (problem) {
        error.textContent = problem.message;
        show(error, true);
      }
      changed();
      return text.focus();
    });
  });
  text.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      form.requestSubmit();
    }
  });
  const escape = (event) => {
    if (event.key === "Escape" && !document.querySelector("dialog[open]")) location.hash = `#/chats/${encodeURIComponent(session)}`;
  };
  document.addEventListener("keydown", escape);
  text.focus();

  return {
    async refresh(row) {
      if (row) {
        setText(title, row.name || row.chat);
        setText(about, [row.name ? row.chat : null, row.kind].filter(Boolean).join(" · "));
        if (row.unread > 0 && document.hasFocus()) markRead(row);
      }
      await read();
    },
    leave() {
      left = true;
      document.removeEventListener("keydown", escape);
      for (const image of bubbles.querySelectorAll("img")) URL.revokeObjectURL(image.src);
    },
  };

  async function markRead(row) {
    const newest = known.find((one) => one.direction === "in" && one.message_id);
    if (!newest || markRead.last === newest.message_id) return;
    markRead.last = newest.message_id;
    await deliver({ type: "read", message_id: newest.message_id }).catch(() => null); // not every platform has it
    row.unread = 0;
  }
}

const keyOf = (message) => message.cursor;

function bubble(first, { answer, react }) {
  const who = h("strong", { class: "who" });
  const body = h("p", { class: "said" });
  const place = h("div", { class: "media" });
  const reactions = h("span", { class: "reactions" });
  const time = h("time", { class: "soft", datetime: first.time, title: new Date(first.time).toLocaleString() });
  const ticks = h("span", { class: "ticks" });
  const edited = h("span", { class: "soft" }, "edited");
  const error = h("p", { class: "error" });
  const tools = h("div", { class: "tools", role: "group", "aria-label": "With this message" });
  let latest = first;
  let shown = null;
  if (first.message_id || first.direction === "in") {
    tools.append(button("Answer", () => answer(latest), { kind: "plain small" }), ...QUICK.map((emoji) => button(emoji, () => react(latest, emoji), { kind: "plain small", "aria-label": `React with ${emoji}` })));
  }
  const element = h("li", { class: `bubble ${first.direction}` }, who, place, body, error, h("div", { class: "foot" }, reactions, edited, time, ticks), tools);
  return {
    element,
    update(message) {
      latest = message;
      setText(who, message.direction === "in" ? message.sender_name || message.sender || "" : "");
      show(who, who.textContent !== "");
      element.classList.toggle("deleted", message.deleted_at !== null);
      setText(body, message.deleted_at ? "This message was deleted." : words(message));
      show(body, !(message.media && !message.text) || message.deleted_at !== null);
      setText(reactions, message.reactions.map((one) => one.emoji).join(" "));
      show(edited, message.edited_at !== null && message.deleted_at === null);
      setText(time, `${new Date(message.time).toLocaleDateString([], { day: "numeric", month: "short" })} ${clock(message.time).slice(0, 5)}`);
      const [label, tone] = STATES[message.state] ?? ["", ""];
      setText(ticks, TICKS[message.state] ?? "");
      ticks.dataset.tone = message.state === "read" ? "busy" : tone;
      ticks.title = label;
      ticks.ariaLabel = label;
      setText(error, message.error ?? "");
      show(tools, message.deleted_at === null && tools.hasChildNodes());
      const href = message.deleted_at ? null : message.media?.href ?? null;
      if (href !== shown) {
        shown = href;
        media(place, message, href);
      }
    },
  };
}

/** Pictures are shown once they come into view; other files are offered. */
function media(place, message, href) {
  fill(place);
  if (!href) return;
  const { mime_type: type = "", filename } = message.media;
  const name = filename || message.type;
  if (!type.startsWith("image/")) {
    fill(place, button(`↓ ${name}`, () => saveFile(href, name), { kind: "small file" }));
    return;
  }
  const image = h("img", { alt: filename || "A picture", loading: "lazy" });
  fill(place, image);
  const seen = new IntersectionObserver(async ([entry]) => {
    if (!entry.isIntersecting) return;
    seen.disconnect();
    try {
      image.src = await picture(href, "*/*");
    } catch (problem) {
      fill(place, h("p", { class: "soft" }, problem.message));
    }
  });
  seen.observe(image);
}

async function saveFile(href, name) {
  const address = await picture(href, "*/*");
  const link = h("a", { href: address, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
  toast(`${name} is saved.`);
}

