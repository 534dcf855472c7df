// Pieces that several views use: state pills, buttons that wait for the server, questions, notices.

import { fill, h, setText } from "./dom.js";

const GLYPH = { good: "●", busy: "◐", attention: "▲", bad: "✕", off: "○" };

/** A state in words, with a sign and a colour: never by colour alone. */
export function pill(label = "", tone = "off") {
  const sign = h("span", { class: "sign", "aria-hidden": "true" });
  const text = h("span");
  const element = h("span", { class: "pill" }, sign, text);
  element.set = (newLabel, newTone) => {
    if (element.dataset.tone !== newTone) element.dataset.tone = newTone;
    setText(sign, GLYPH[newTone] ?? "○");
    setText(text, newLabel);
  };
  element.set(label, tone);
  return element;
}

/** Say something for a while; problems stay longer. */
export function toast(text, tone = "good") {
  const note = h("div", { class: "toast", "data-tone": tone }, pillSign(tone), h("span", {}, text));
  document.getElementById("toasts").append(note);
  setTimeout(() => note.remove(), tone === "good" ? 4000 : 9000);
}

const pillSign = (tone) => h("span", { class: "sign", "aria-hidden": "true" }, GLYPH[tone]);

/** A button that is busy while its action runs and shows a refusal as a sentence. */
export function button(label, action, { kind = "", title, ...properties } = {}) {
  const element = h("button", { type: "button", class: kind, title, ...properties }, label);
  element.addEventListener("click", () => run(element, action));
  return element;
}

/** Run an action with a control that must not be used twice at once. */
export async function run(control, action) {
  if (control.getAttribute("aria-busy") === "true") return;
  control.setAttribute("aria-busy", "true");
  try {
    await action();
  } catch (problem) {
    if (problem.status !== 401) toast(problem.message, "bad");
  } finally {
    control.removeAttribute("aria-busy");
  }
}

/** Ask before doing what cannot be taken back; resolves to true or false. */
export function ask(title, text, verb, { danger = false } = {}) {
  return new Promise((resolve) => {
    const dialog = h("dialog", { class: "question", "aria-labelledby": "question-title" });
    const done = (answer) => {
      dialog.returnValue = answer ? "yes" : "";
      dialog.close();
    };
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    fill(
      dialog,
      h("h2", { id: "question-title" }, title),
      h("p", {}, text),
      h(
        "div",
        { class: "row end" },
        h("button", { type: "button", class: "plain", onclick: () => done(false) }, "Cancel"),
        h("button", { type: "button", class: danger ? "danger" : "primary", autofocus: true, onclick: () => done(true) }, verb),
      ),
    );
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** A dialog with a form. `submit` gets the values; what it throws is shown beside the field that is to blame. */
export function form({ title, intro, fields, verb, submit, extra = [] }) {
  const dialog = h("dialog", { class: "form", "aria-labelledby": "form-title" });
  dialog.append(formBody({ title, intro, fields, verb, submit, extra, close: () => dialog.close() }));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

function formBody({ title, intro, fields, verb, submit, extra, close }) {
  const error = h("p", { class: "error", role: "alert", hidden: true });
  const send = h("button", { type: "submit", class: "primary" }, verb);
  const element = h(
    "form",
    { novalidate: true },
    h("h2", { id: "form-title" }, title),
    intro ? h("p", { class: "soft" }, intro) : null,
    extra,
    fields.map((field) => field.element),
    error,
    h("div", { class: "row end" }, h("button", { type: "button", class: "plain", onclick: close }, "Cancel"), send),
  );
  element.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (send.getAttribute("aria-busy") === "true") return;
    send.setAttribute("aria-busy", "true");
    error.hidden = true;
    for (const field of fields) field.input.removeAttribute("aria-invalid");
    try {
      await submit(Object.fromEntries(fields.map((field) => [field.name, field.input.value.trim()])));
      close();
    } catch (problem) {
      const culprit = fields.find((field) => problem.field && (problem.field === field.name || problem.field.endsWith(`.${field.name}`)));
      culprit?.input.setAttribute("aria-invalid", "true");
      culprit?.input.focus();
      error.textContent = problem.message;
      error.hidden = false;
    } finally {
      send.removeAttribute("aria-busy");
    }
  });
  return element;
}

let fieldCount = 0;

/** A labelled input. `choices` makes it a select of [value, label]. */
export function field(name, label, { hint, choices, ...properties } = {}) {
  fieldCount += 1;
  const id = `field-${fieldCount}`;
  const describedBy = hint ? `${id}-hint` : undefined;
  const common = { id, name, "aria-describedby": describedBy, ...properties };
  const input = choices
    ? h("select", common, choices.map(([value, text]) => h("option", { value }, text)))
    : h(properties.rows ? "textarea" : "input", { autocomplete: "off", spellcheck: "false", ...common });
  if (choices && properties.value !== undefined) input.value = properties.value;
  const element = h(
    "div",
    { class: "field" },
    h("label", { for: id }, label),
    input,
    hint ? h("p", { class: "hint", id: describedBy }, hint) : null,
  );
  return { name, input, element };
}

/** A document for people who read JSON. */
export function json(title, value) {
  const pre = h("pre", { tabindex: "0" });
  const element = h("details", { class: "json" }, h("summary", {}, title), pre);
  element.set = (document) => setText(pre, JSON.stringify(document, null, 2));
  element.set(value);
  return element;
}

/** What to do when there is nothing to see. */
export function empty(title, text, ...actions) {
  return h("div", { class: "empty" }, h("h2", {}, title), h("p", {}, text), actions.length ? h("div", { class: "row" }, actions) : null);
}

/** Repeat while the page is looked at; returns a function that ends it. */
export function every(milliseconds, action) {
  let ended = false;
  let running = false;
  let timer;
  const loop = async () => {
    if (ended || running) return;
    running = true;
    clearTimeout(timer);
    if (!document.hidden) await action();
    running = false;
    if (!ended) timer = setTimeout(loop, milliseconds);
  };
  const wake = () => document.hidden || loop();
  document.addEventListener("visibilitychange", wake);
  loop();
  return () => {
    ended = true;
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", wake);
  };
}
