// A message to try a session with. What becomes of it is followed to its end.

import { get, path, post } from "./api.js";
import { ago, fill, h, keyed, setText, show } from "./dom.js";
import { field, pill, run } from "./parts.js";
import { STATES } from "./words.js";

const FINAL = new Set(["delivered", "read", "failed", "expired", "unknown", "cancelled"]);
const LOOKS = 40;

export function sending(id) {
  const to = field("to", "To", { hint: "The chat, as the platform names it: a chat id, or a phone number on WhatsApp." });
  const text = field("text", "Message", { rows: "2", spellcheck: "true" });
  const error = h("p", { class: "error", role: "alert", hidden: true });
  const send = h("button", { type: "submit", class: "primary" }, "Send");
  const sent = h("ul", { class: "sent", "aria-label": "Sent from here", "aria-live": "polite" });
  const form = h("form", { novalidate: true }, to.element, text.element, error, h("div", { class: "row" }, send));
  const messages = [];
  let left = false;

  const draw = () => keyed(sent, messages, (message) => message.id, row);

  async function follow(message) {
    for (let look = 0; look < LOOKS && !left && !FINAL.has(message.state); look += 1) {
      await new Promise((resolve) => setTimeout(resolve, 500 + 100 * look));
      Object.assign(message, await get(path("messages", message.id)));
      draw();
    }
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    run(send, async () => {
      show(error, false);
      try {
        const body = { to: to.input.value.trim(), type: "text", text: text.input.value };
        const message = await post(path("sessions", id, "messages"), body, { query: { wait: 5 }, more: { "Idempotency-Key": crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}` } });
        messages.unshift({ ...message, text: body.text });
        messages.splice(5);
        draw();
        text.input.value = "";
        follow(messages[0]).catch(() => {});
      } catch (problem) {
        error.textContent = problem.message;
        show(error, true);
        (problem.field === "text" ? text : to).input.focus();
      }
    });
  });
  text.input.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });

  return {
    element: h("div", {}, form, sent),
    to(chat) {
      to.input.value = chat;
      text.input.focus();
    },
    leave() {
      left = true;
    },
  };
}

function row(first) {
  const state = pill();
  const why = h("span", { class: "soft" });
  const text = h("span", { class: "clip" }, first.text);
  const to = h("span", { class: "soft" });
  fill(to, `to ${first.to}, `, ago(first.created_at));
  return {
    element: h("li", {}, h("span", { class: "row between" }, text, state), to, why),
    update(message) {
      state.set(...(STATES[message.state] ?? [message.state, "off"]));
      setText(why, message.error ?? "");
      show(why, Boolean(message.error));
    },
  };
}
