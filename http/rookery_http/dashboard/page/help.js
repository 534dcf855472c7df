// The keys that work everywhere.

import { h } from "./base/dom.js";

const KEYS = [
  ["/", "Search"],
  ["↑ ↓", "Move through the list of sessions"],
  ["Enter", "Open what is focused"],
  ["Escape", "Close the session or the dialog"],
  ["?", "Show these keys"],
];

export function help() {
  const close = h("button", { type: "button", class: "primary" }, "Close");
  const rows = KEYS.map(([key, text]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, text)]);
  const dialog = h("dialog", { class: "question", "aria-labelledby": "keys-title" }, h("h2", { id: "keys-title" }, "Keys"), h("dl", {}, rows), h("div", { class: "row end" }, close));
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
