// The keys that work everywhere.

import { dialog } from "./base/dialogs.js";
import { h } from "./base/dom.js";

const KEYS = [
  ["1 … 6", "Go to a view"],
  ["/", "Search"],
  ["↑ ↓", "Move through the list of sessions or chats"],
  ["Enter", "Open what is focused; in a chat, send"],
  ["Shift Enter", "In a chat, start a new line"],
  ["Escape", "Close the session, the chat or the dialog"],
  ["?", "Show these keys"],
];

export function help() {
  const rows = KEYS.map(([key, text]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, text)]);
  dialog("question", "Keys", (close) => [h("dl", {}, rows), h("div", { class: "row end" }, h("button", { type: "button", class: "primary", onclick: close }, "Close"))]);
}
