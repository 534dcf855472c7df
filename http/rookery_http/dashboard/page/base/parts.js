// Pieces that several views use: state pills, buttons that wait for the server, questions, notices.

import { h, setText } from "./dom.js";

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

/** A document for people who read JSON. */
export function json(title, value) {
  const pre = h("pre", { tabindex: "0" });
  const element = h("details", { class: "json" }, h("summary", {}, title), pre);
  element.set = (document) => setText(pre, JSON.stringify(document, null, 2));
  element.set(value);
  return element;
}

/** A table whose rows become small cards on a phone; the roles stay whatever the style sheet makes of the elements. */
export function rowTable(kind, caption, columns, body) {
  const head = h("tr", { role: "row" }, columns.map((name) => h("th", { scope: "col", role: "columnheader" }, name)));
  return h("table", { class: kind, role: "table" }, h("caption", { class: "off-screen" }, caption), h("thead", { role: "rowgroup" }, head), body);
}

export const cell = (properties, ...children) => h("td", { role: "cell", ...properties }, children);

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

/** Grey lines where something will be; they show only when it takes a while. */
export function skeleton(lines = 4) {
  return h("div", { class: "skeleton", "aria-hidden": "true" }, Array.from({ length: lines }, () => h("span")));
}

/** A refusal or failure above a view. `show(null)` takes it away; a 401 is the frame's matter. */
export function trouble() {
  const sign = h("span", { class: "sign", "aria-hidden": "true" });
  const text = h("span");
  const element = h("p", { class: "error trouble", role: "alert", hidden: true }, sign, text);
  element.tell = (problem) => {
    element.hidden = !problem || problem.status === 401 || problem.status === 0; // the frame says that nothing answers
    if (element.hidden) return;
    setText(sign, problem.status === 403 ? "⚿" : "✕");
    setText(text, problem.status === 403 ? `This key may not see this. ${problem.message}` : problem.message);
  };
  return element;
}

/** A row of choices of which one is taken. `options` are [value, label]. */
export function segments(label, options, value, onChange) {
  const buttons = options.map(([name, text]) => h("button", { type: "button", "aria-pressed": String(name === value), onclick: () => element.choose(name, true) }, text));
  const element = h("div", { class: "segments", role: "group", "aria-label": label }, buttons);
  element.choose = (wanted, tell = false) => {
    options.forEach(([name], index) => buttons[index].setAttribute("aria-pressed", String(name === wanted)));
    if (tell) onChange(wanted);
  };
  return element;
}

/** Put text on the clipboard, also where the page has no right to it. */
export async function copy(text, words) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = h("textarea", { class: "off-screen", value: text });
    (document.querySelector("dialog[open]") ?? document.body).append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  toast(words);
}

/** Let the browser save text as a file. */
export function saveText(text, name, type = "application/json") {
  const link = h("a", { href: URL.createObjectURL(new Blob([text], { type })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** A choice that outlives the tab, where the browser allows that. */
export function remembered(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

export function remember(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    // it lasts as long as the page
  }
}
