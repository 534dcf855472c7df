// Searching in one chat: the server looks through the texts, and a hit leads to its message.

import { h, fill, setText, show, when } from "../base/dom.js";
import { button } from "../base/parts.js";
import { words } from "./bubble.js";

const PAUSE = 250; // milliseconds without a key press before it searches
const BEFORE = 30; // characters shown in front of what was found

/** `ask(text, before)` returns a page of messages, `reveal(message)` shows one among the others, or returns
 * a sentence that says why not. */
export function chatSearch({ ask, reveal }) {
  const input = h("input", { type: "search", "aria-label": "Search in this chat", placeholder: "Search in this chat", autocomplete: "off", maxlength: "100" });
  const said = h("p", { class: "soft", role: "status" });
  const hits = h("ol", { class: "hits", "aria-label": "What was found" });
  const more = button("Search further back", () => read(next), { kind: "plain small" });
  const close = button("Close", () => open(false), { kind: "plain small", "aria-label": "Close the search" });
  const element = h("div", { class: "chat-search", hidden: true, role: "search" }, h("div", { class: "row nowrap" }, input, close), said, hits, h("div", { class: "row center" }, more));
  const toggle = button("Search", () => open(element.hidden), { kind: "plain small", "aria-label": "Search in this chat", "aria-expanded": "false" });
  let timer = null;
  let asked = "";
  let question = 0; // its answers count as long as no other one was asked and the search is open
  let reading = false;
  let next = null;
  let count = 0;

  function open(wanted) {
    show(element, wanted);
    toggle.setAttribute("aria-expanded", String(wanted));
    if (wanted) input.select();
    else toggle.focus();
    if (!wanted) stop();
  }

  function stop() {
    clearTimeout(timer);
    question += 1;
    if (reading) setText(said, "");
    reading = false;
  }

  function start() {
    stop();
    asked = input.value.trim();
    [next, count] = [null, 0];
    fill(hits);
    show(more, false);
    setText(said, asked ? "Searching…" : "");
    return asked ? read(null) : null;
  }

  /** Goes on until something was found: the server looks through some thousand messages at a time. */
  async function read(before) {
    question += 1;
    reading = true;
    const mine = question;
    let page;
    try {
      do {
        page = await ask(asked, page?.next ?? before);
        if (mine !== question) return;
      } while (!page.messages.length && page.next !== null);
    } catch (problem) {
      if (mine !== question) return;
      reading = false;
      setText(said, problem.message);
      return;
    }
    reading = false;
    next = page.next;
    count += page.messages.length;
    hits.append(...page.messages.map((message) => hit(message, asked)));
    setText(said, count ? `${count}${next === null ? "" : " or more"} found` : "No message has this text.");
    show(more, next !== null);
  }

  function hit(message, text) {
    const who = message.direction === "out" ? "You" : message.sender_name || message.sender || "";
    const action = async () => {
      const why = await reveal(message);
      if (why) setText(said, why);
      else if (matchMedia("(max-width: 760px)").matches) open(false);
    };
    return h("li", {}, button([h("span", { class: "soft" }, [who, when(message.time)].filter(Boolean).join(" · ")), h("span", { class: "clip" }, marked(words(message), text))], action, { kind: "hit" }));
  }

  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(start, PAUSE);
  });
  element.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.target === input) start();
    else if (event.key === "Escape") open(false);
    else return;
    event.preventDefault();
    event.stopPropagation(); // Escape would close the chat
  });
  show(more, false);
  return { element, toggle, leave: stop };
}

/** The text with what was searched for marked, from shortly before it on. */
function marked(text, wanted) {
  const at = text.toLowerCase().indexOf(wanted.toLowerCase());
  if (at < 0) return [text];
  const from = at > BEFORE ? at - BEFORE : 0;
  return [from ? "…" : "", text.slice(from, at), h("mark", {}, text.slice(at, at + wanted.length)), text.slice(at + wanted.length, at + 300)];
}
