// A message to try a session with, and what became of the latest sends, wherever they came from.

import { call, get, path, post } from "../base/api.js";
import { ago, fill, h, keyed, setText, show } from "../base/dom.js";
import { blame, field, forgive } from "../base/dialogs.js";
import { button, every, pill, run } from "../base/parts.js";
import { STATES } from "../base/words.js";

const SHOWN = 8;
const PASSING = new Set(["read", "typing"]); // no messages to people
const WAITING = new Set(["scheduled", "queued"]);

export function sending(id) {
  const to = field("to", "To", { hint: "The chat, as the platform names it: a chat id, or a phone number on WhatsApp." });
  const text = field("text", "Message", { rows: "2", spellcheck: "true" });
  const error = h("p", { class: "error", role: "alert", hidden: true });
  const send = h("button", { type: "submit", class: "primary" }, "Send");
  const sent = h("ul", { class: "sent", "aria-label": "Latest sends" });
  const form = h("form", { novalidate: true }, to.element, text.element, error, h("div", { class: "row" }, send));
  let left = false;

  async function read() {
    const page = await get(path("sessions", id, "messages"), { limit: 3 * SHOWN }).catch(() => null);
    if (page === null || left) return;
    keyed(sent, page.messages.filter((message) => !PASSING.has(message.type)).slice(0, SHOWN), (message) => message.id, (first) => row(first, read));
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    run(send, async () => {
      forgive([to, text], error);
      try {
        const body = { to: to.input.value.trim(), type: "text", text: text.input.value };
        await post(path("sessions", id, "messages"), body, { query: { wait: 5 }, more: { "Idempotency-Key": crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}` } });
        text.input.value = "";
        await read();
      } catch (problem) {
        blame([to, text], problem, error);
      }
    });
  });
  text.input.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });

  const end = every(2000, read);
  return {
    element: h("div", {}, form, sent),
    to(chat) {
      to.input.value = chat;
      text.input.focus();
    },
    leave() {
      left = true;
      end();
    },
  };
}

function row(first, changed) {
  const state = pill();
  const why = h("span", { class: "soft" });
  const text = h("span", { class: "clip" });
  const to = h("span", { class: "soft" });
  const cancel = button(
    "Cancel",
    async () => {
      await call("DELETE", path("messages", first.id));
      await changed();
    },
    { "aria-label": `Cancel the send to ${first.to}` },
  );
  fill(to, `to ${first.to}, `, ago(first.send_at ?? first.created_at));
  return {
    element: h("li", {}, h("span", { class: "row between" }, text, state), h("span", { class: "row between" }, to, cancel), why),
    update(message) {
      setText(text, message.content?.text || message.content?.caption || first.type);
      text.title = text.textContent;
      state.set(...(STATES[message.state] ?? [message.state, "off"]));
      setText(why, message.error ?? "");
      show(why, Boolean(message.error));
      show(cancel, WAITING.has(message.state));
    },
  };
}
