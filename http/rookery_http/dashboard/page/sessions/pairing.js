// Letting a person authorise a session: a QR code that stays fresh, a code to type, a new token.

import { call, get, path, picture, post } from "../base/api.js";
import { ago, fill, h, setText, setTime, show } from "../base/dom.js";
import { every, field, run } from "../base/parts.js";

/** Shows the code to scan as long as there is one; codes rotate, so it looks again and again. */
export function pairing(parent, id) {
  const image = h("img", { class: "qr", alt: "QR code to scan with WhatsApp", width: "264", height: "264" });
  const waiting = h("p", { class: "qr-waiting" }, "Waiting for a code…");
  const expires = ago(null, { prefix: "The code changes ", none: "" });
  const code = h("output", { class: "code" });
  const phone = field("phone", "Phone number, with country code", { type: "tel", placeholder: "+49 151 12345678", inputmode: "tel", autocomplete: "tel" });
  const error = h("p", { class: "error", role: "alert", hidden: true });
  const ask = h("button", { type: "submit" }, "Get a code to type");
  const form = h("form", { class: "inline", novalidate: true }, phone.element, ask);
  let shown = null;
  let address = null;

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    run(ask, async () => {
      show(error, false);
      try {
        const answer = await post(path("sessions", id, "pairing-code"), { phone: phone.input.value.replace(/[\s()-]/g, "") });
        fill(code, h("strong", {}, answer.code), h("span", { class: "soft" }, " Type it under Linked devices › Link with phone number instead."));
      } catch (problem) {
        error.textContent = problem.message;
        show(error, true);
        phone.input.focus();
      }
    });
  });

  async function look() {
    let now = null;
    try {
      now = await get(path("sessions", id, "qr"));
    } catch (problem) {
      if (problem.status !== 409) setText(waiting, problem.message);
    }
    if (now === null) {
      shown = null;
      show(image, false);
      show(waiting, true);
      setTime(expires, null);
      return;
    }
    if (now.code === shown) return;
    try {
      const next = await picture(path("sessions", id, "qr"), "image/svg+xml");
      if (address) URL.revokeObjectURL(address);
      address = next;
      image.src = next;
    } catch {
      return; // the code went away between the two questions
    }
    shown = now.code;
    show(image, true);
    show(waiting, false);
    setTime(expires, now.expires_at);
  }

  show(image, false);
  fill(
    parent,
    h("div", { class: "pairing" }, h("div", { class: "qr-box" }, image, waiting), h(
      "div",
      {},
      h("h3", {}, "Link this account"),
      h("ol", { class: "steps" }, h("li", {}, "Open WhatsApp on the phone."), h("li", {}, "Settings › Linked devices › Link a device."), h("li", {}, "Point the phone at this code.")),
      h("p", { class: "soft" }, expires),
      h("h4", {}, "Cannot scan?"),
      form,
      error,
      code,
    )),
  );
  const end = every(1000, look);
  return {
    leave() {
      end();
      if (address) URL.revokeObjectURL(address);
    },
  };
}

/** Replaces a token that the platform no longer takes. */
export function tokenForm(parent, id, refresh) {
  const token = field("token", "New token from @BotFather", { type: "password", placeholder: "123456789:AA…" });
  const error = h("p", { class: "error", role: "alert", hidden: true });
  const save = h("button", { type: "submit", class: "primary" }, "Replace and start");
  const form = h("form", { class: "inline", novalidate: true }, token.element, save);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    run(save, async () => {
      show(error, false);
      try {
        await call("PATCH", path("sessions", id), { body: { credentials: { token: token.input.value.trim() } } });
        await post(path("sessions", id, "start"));
        refresh();
      } catch (problem) {
        error.textContent = problem.message;
        show(error, true);
        token.input.focus();
      }
    });
  });
  fill(parent, h("h3", {}, "The platform refuses the token"), h("p", {}, "Ask @BotFather for the current one (/token) and paste it here."), form, error);
  return {};
}
