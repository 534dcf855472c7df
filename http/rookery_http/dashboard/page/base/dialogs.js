// Questions and forms. An error stands at the field that caused it, and nowhere else.

import { fill, h } from "./dom.js";

/** A dialog that is gone once it is closed. `content` gets a function that closes it. */
export function dialog(kind, title, content) {
  const element = h("dialog", { class: kind, "aria-labelledby": "dialog-title" });
  fill(element, h("h2", { id: "dialog-title" }, title), content(() => element.close()));
  element.addEventListener("close", () => element.remove());
  document.body.append(element);
  element.showModal();
  return element;
}

/** Ask before doing what cannot be taken back; resolves to true or false. */
export function ask(title, text, verb, { danger = false } = {}) {
  return new Promise((resolve) => {
    let answer = false;
    const element = dialog("question", title, (close) => [
      h("p", {}, text),
      h(
        "div",
        { class: "row end" },
        h("button", { type: "button", class: "plain", onclick: close }, "Cancel"),
        h("button", { type: "button", class: danger ? "danger" : "primary", autofocus: true, onclick: () => ((answer = true), close()) }, verb),
      ),
    ]);
    element.addEventListener("close", () => resolve(answer));
  });
}

/** Show a text that is not shown again, until somebody has taken it. */
export function shownOnce(title, intro, text, { label, copied, onCopy }) {
  dialog("question", title, (close) => {
    const place = h("p", { class: "mono new-key", tabindex: "0", "aria-label": label }, text);
    return [
      h("p", {}, intro),
      place,
      h("div", { class: "row end" }, h("button", { type: "button", onclick: () => onCopy(text, copied) }, "Copy"), h("button", { type: "button", class: "primary", autofocus: true, onclick: close }, "I have saved it")),
    ];
  });
}

/** A dialog with a form. `submit` gets the values; what it throws is shown at the field that is to blame. */
export function form({ title, intro, fields, verb, submit, extra = [], kind = "form" }) {
  return dialog(kind, title, (close) => {
    const body = formBody({ fields, verb, submit, content: [intro ? h("p", { class: "soft" }, intro) : null, extra, fields.map((field) => field.element)], more: h("button", { type: "button", class: "plain", onclick: close }, "Cancel"), done: close });
    return body;
  });
}

/** A form: its content, its button, and what it does with an error. */
export function formBody({ fields, verb, submit, content, more = null, done = () => {}, kind = "" }) {
  const error = h("p", { class: "error", role: "alert", hidden: true });
  const send = h("button", { type: "submit", class: "primary" }, verb);
  const element = h("form", { class: kind, novalidate: true }, content, error, h("div", { class: "row end" }, more, send));
  element.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (send.getAttribute("aria-busy") === "true") return;
    send.setAttribute("aria-busy", "true");
    forgive(fields, error);
    try {
      await submit(Object.fromEntries(fields.map((field) => [field.name, field.value()])));
      done();
    } catch (problem) {
      blame(fields, problem, error);
    } finally {
      send.removeAttribute("aria-busy");
    }
  });
  return element;
}

/** Take the errors away. */
export function forgive(fields, error) {
  error.hidden = true;
  error.textContent = "";
  for (const field of fields) {
    field.input.removeAttribute("aria-invalid");
    field.input.removeAttribute("aria-errormessage");
    field.element.querySelector(":scope > .error")?.remove();
  }
}

/** Show an error at the field that it names; in `error` when it names none of these. */
export function blame(fields, problem, error) {
  const culprit = fields.find(({ name }) => fits(problem.field, name));
  if (!culprit) {
    error.textContent = problem.message;
    error.hidden = false;
    return;
  }
  const id = `${culprit.input.id}-error`;
  culprit.element.append(h("p", { class: "error", id, role: "alert" }, problem.message));
  culprit.input.setAttribute("aria-invalid", "true");
  culprit.input.setAttribute("aria-errormessage", id);
  (culprit.focus ?? culprit.input).focus();
}

const fits = (named, name) => Boolean(named) && (named === name || named.endsWith(`.${name}`) || named.startsWith(`${name}[`) || named.startsWith(`${name}.`));

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
  return { name, input, element, value: () => input.value.trim() };
}

/** A box to tick. */
export function tick(name, label, { hint, checked = false } = {}) {
  fieldCount += 1;
  const id = `field-${fieldCount}`;
  const input = h("input", { type: "checkbox", id, name, checked, "aria-describedby": hint ? `${id}-hint` : undefined });
  const element = h("div", { class: "field tick" }, h("label", { for: id }, input, h("span", {}, label)), hint ? h("p", { class: "hint", id: `${id}-hint` }, hint) : null);
  return { name, input, element, value: () => input.checked };
}
