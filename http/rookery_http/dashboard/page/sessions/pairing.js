// Letting a person authorise a session: a QR code that stays fresh, a code to type, a link for the owner of the phone, a
// new token.

import { call, get, path, picture, post } from "../base/api.js";
import { blame, dialog, field, forgive } from "../base/dialogs.js";
import { fill, h, setText, show } from "../base/dom.js";
import { button, copy, every, run } from "../base/parts.js";
import { now } from "../base/server.js";

/** Seconds that are left, as a bar that empties. */
function countdown(words) {
  const bar = h("span", { class: "countdown-bar" });
  const text = h("span", { class: "soft" });
  let until = null;
  let whole = 1;
  const element = h("div", { class: "countdown", hidden: true }, h("span", { class: "countdown-track", "aria-hidden": "true" }, bar), text);
  function step() {
    const left = until === null ? 0 : Math.max(0, (until - now()) / 1000);
    show(element, until !== null);
    bar.style.inlineSize = `${Math.min(100, (100 * left) / whole).toFixed(1)}%`;
    setText(text, left > 0 ? words(left >= 100 ? `${Math.ceil(left / 60)} min` : `${Math.ceil(left)} s`) : "It has expired.");
  }
  const timer = setInterval(step, 250);
  return {
    element,
    /** `since` is another countdown to the same moment, which knows how long the whole was. */
    set(iso, since = null) {
      until = iso === null ? null : Date.parse(iso);
      whole = since?.whole ?? (until === null ? 1 : Math.max(1, (until - now()) / 1000));
      step();
    },
    get whole() {
      return whole;
    },
    leave: () => clearInterval(timer),
  };
}

/** Shows the code to scan as long as there is one; codes rotate, so it looks again and again. */
export function pairing(parent, id) {
  const image = h("img", { class: "qr", alt: "QR code to scan with WhatsApp", width: "264", height: "264" });
  const waiting = h("p", { class: "qr-waiting" }, "Waiting for a code…");
  const expires = countdown((left) => `The code changes in ${left}`);
  const typed = countdown((left) => `The code works for ${left}`);
  const code = h("output", { class: "code" });
  const phone = field("phone", "Phone number, with country code", { type: "tel", placeholder: "+49 151 12345678", inputmode: "tel", autocomplete: "tel" });
  const error = h("p", { class: "error", role: "alert", hidden: true });
  const ask = h("button", { type: "submit" }, "Get a code to type");
  const form = h("form", { class: "inline", novalidate: true }, phone.element, ask);
  const link = h("div", { class: "stack pair-link" });
  const large = button("Full screen", () => enlarge(), { kind: "small" });
  let shown = null;
  let address = null;
  let big = null;

  function showTyped(answer) {
    fill(code, h("strong", {}, answer.code), h("span", { class: "soft" }, " Type it under Linked devices › Link with phone number instead."));
    typed.set(answer.expires_at);
  }
  // The code that was asked for before this page was loaded again.
  get(path("sessions", id, "pairing-code")).then(showTyped, () => {});

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    run(ask, async () => {
      forgive([phone], error);
      try {
        const answer = await post(path("sessions", id, "pairing-code"), { phone: phone.input.value.replace(/[\s()-]/g, "") });
        showTyped(answer);
      } catch (problem) {
        blame([phone], { field: problem.field ?? "phone", message: problem.message }, error);
      }
    });
  });

  const makeLink = button("Make a link for the phone's owner", async () => {
    const made = await post(path("sessions", id, "pair-link"), {});
    const url = new URL(made.path.slice(1), new URL(".", document.baseURI)).href;
    const left = countdown((time) => `The link works for ${time}, without a key`);
    left.set(made.expires_at);
    const input = h("input", { readonly: true, value: url, "aria-label": "Link", class: "mono" });
    fill(link, h("div", { class: "row nowrap" }, input, button("Copy", () => copy(url, "The link is copied."))), left.element);
    input.select();
  }, { kind: "small" });

  /** The code over the whole screen, for a phone that is held before it. */
  function enlarge() {
    const picture = h("img", { class: "qr-large", alt: "QR code to scan with WhatsApp" });
    const left = countdown((time) => `The code changes in ${time}`);
    const words = h("p", { class: "soft", role: "status" });
    big = { picture, left, words, until: null };
    big.element = dialog("full", "Scan this code with the phone", (close) => [picture, words, left.element, h("div", { class: "row center" }, button("Close", close))]);
    big.element.addEventListener("close", () => {
      left.leave();
      big = null;
    });
    drawLarge();
  }

  function drawLarge(expiresAt = large.dataset.until) {
    if (big === null) return;
    show(big.picture, shown !== null);
    if (address) big.picture.src = address;
    setText(big.words, shown === null ? "Waiting for the next code…" : "Settings › Linked devices › Link a device");
    if (expiresAt !== big.until) big.left.set(expiresAt || null, expires);
    big.until = expiresAt;
  }

  async function look() {
    let latest = null;
    try {
      latest = await get(path("sessions", id, "qr"));
    } catch (problem) {
      setText(waiting, problem.status === 409 ? "Waiting for a code…" : problem.message);
    }
    if (latest === null) {
      shown = null;
      show(image, false);
      show(large, false);
      show(waiting, true);
      expires.set(null);
      return drawLarge("");
    }
    if (latest.code === shown) return;
    try {
      const next = await picture(path("sessions", id, "qr"), "image/svg+xml");
      if (address) URL.revokeObjectURL(address);
      address = next;
      image.src = next;
    } catch {
      return; // the code went away between the two questions
    }
    shown = latest.code;
    large.dataset.until = latest.expires_at;
    show(image, true);
    show(large, true);
    show(waiting, false);
    expires.set(latest.expires_at);
    drawLarge(latest.expires_at);
  }

  show(image, false);
  show(large, false);
  fill(
    parent,
    h("div", { class: "pairing" }, h("div", {}, h("div", { class: "qr-box" }, image, waiting), expires.element, h("div", { class: "row center" }, large)), h(
      "div",
      {},
      h("h3", {}, "Link this account"),
      h("ol", { class: "steps" }, h("li", {}, "Open WhatsApp on the phone."), h("li", {}, "Settings › Linked devices › Link a device."), h("li", {}, "Point the phone at this code.")),
      h("h4", {}, "Cannot scan?"),
      form,
      error,
      code,
      typed.element,
      h("h4", {}, "Is the phone somewhere else?"),
      h("div", {}, makeLink),
      link,
    )),
  );
  const end = every(1000, look);
  return {
    leave() {
      end();
      expires.leave();
      typed.leave();
      big?.element.close();
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
      forgive([token], error);
      try {
        await call("PATCH", path("sessions", id), { body: { credentials: { token: token.input.value.trim() } } });
        await post(path("sessions", id, "start"));
        refresh();
      } catch (problem) {
        blame([token], problem, error);
      }
    });
  });
  fill(parent, h("h3", {}, "The platform refuses the token"), h("p", {}, "Ask @BotFather for the current one (/token) and paste it here."), form, error);
  return {};
}
