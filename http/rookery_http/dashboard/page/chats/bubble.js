// One message: who wrote it, what it answers, its file, its reactions, its state.

import { clock, h, setText, show } from "../base/dom.js";
import { button } from "../base/parts.js";
import { summary } from "../base/telling.js";
import { STATES } from "../base/words.js";
import { showMedia } from "./media.js";

const QUICK = ["👍", "❤️", "😂", "🎉", "🙏"];
const TICKS = { scheduled: "◷", queued: "◷", sending: "◷", sent: "✓", delivered: "✓✓", read: "✓✓", failed: "✕", expired: "✕", unknown: "?", cancelled: "–" };
const EDITABLE = new Set(["text"]);

/** What a message says, in one line. */
export function words(message) {
  if (message.deleted_at) return "deleted";
  return message.text || (message.content ? summary({ body: message.content }) : "") || `[${message.type}]`;
}

/** The time alone for what was written today. */
function stamp(iso) {
  const moment = new Date(iso);
  const day = moment.toDateString() === new Date().toDateString() ? "" : `${moment.toLocaleDateString([], { day: "numeric", month: "short" })} `;
  return `${day}${clock(iso).slice(0, 5)}`;
}

/** `find` looks up a message by its id; `answer`, `react`, `edit` and `erase` are what can be done with it. */
export function bubble(first, { find, answer, react, edit, erase }) {
  const who = h("strong", { class: "who" });
  const quoted = h("p", { class: "quoted clip" });
  const body = h("p", { class: "said" });
  const place = h("div", { class: "media" });
  const reactions = h("span", { class: "reactions" });
  const time = h("time", { class: "soft", datetime: first.time, title: new Date(first.time).toLocaleString() }, stamp(first.time));
  const ticks = h("span", { class: "ticks", role: "img" });
  const edited = h("span", { class: "soft" }, "edited");
  const error = h("p", { class: "error" });
  const tools = h("div", { class: "tools", role: "group", "aria-label": "With this message" });
  let latest = first;
  let shown = null;
  let giveBack = () => {};
  const tool = (label, action, name) => button(label, () => action(latest), { kind: "plain small", "aria-label": name });
  const own = { edit: tool("Edit", edit), erase: tool("Delete", erase) };

  /** Tools are made for who comes near: a list of hundreds would have thousands of buttons. */
  function equip() {
    if (!tools.hasChildNodes() && latest.message_id) {
      tools.append(tool("Reply", answer), ...QUICK.map((emoji) => tool(emoji, (message) => react(message, emoji), `React with ${emoji}`)));
      if (latest.send) tools.append(own.edit, own.erase);
    }
    show(own.edit, EDITABLE.has(latest.type));
  }

  const element = h("li", { class: `bubble ${first.direction}` }, who, quoted, place, body, error, h("div", { class: "foot" }, reactions, edited, time, ticks), tools);
  // Where nothing can hover, a tap shows the tools.
  element.addEventListener("click", (event) => event.target.closest("button, a, video, audio") || element.classList.toggle("open"));
  return {
    element,
    leave: () => giveBack(),
    update(message) {
      latest = message;
      setText(who, message.direction === "in" ? message.sender_name || message.sender || "" : "");
      show(who, who.textContent !== "");
      element.classList.toggle("deleted", message.deleted_at !== null);
      tellQuoted(message);
      setText(body, message.deleted_at ? "This message was deleted." : words(message));
      show(body, !(message.media && !message.text) || message.deleted_at !== null);
      const signs = message.reactions.map((one) => one.emoji).join(" ");
      setText(reactions, signs);
      reactions.title = message.reactions.map((one) => `${one.sender ?? "You"}: ${one.emoji}`).join(", ");
      show(edited, message.edited_at !== null && message.deleted_at === null);
      const [label, tone] = STATES[message.state] ?? ["", ""];
      setText(ticks, TICKS[message.state] ?? "");
      show(ticks, ticks.textContent !== "");
      ticks.dataset.tone = message.state === "read" ? "busy" : tone;
      ticks.title = label;
      ticks.ariaLabel = label;
      setText(error, message.error ?? "");
      equip();
      show(tools, message.deleted_at === null && tools.hasChildNodes());
      const href = message.deleted_at ? null : (message.media?.href ?? null);
      if (href === shown) return;
      shown = href;
      giveBack();
      place.replaceChildren();
      giveBack = href ? showMedia(place, message) : () => {};
    },
  };

  function tellQuoted(message) {
    const other = message.reply_to && !message.deleted_at ? find(message.reply_to) : null;
    show(quoted, Boolean(message.reply_to) && !message.deleted_at);
    if (!message.reply_to) return;
    const name = other ? (other.direction === "out" ? "You" : other.sender_name || other.sender || "") : "";
    setText(quoted, other ? `${name}: ${words(other)}` : "An earlier message");
    quoted.title = quoted.textContent;
  }
}
