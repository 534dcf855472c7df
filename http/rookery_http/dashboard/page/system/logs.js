// The end of the server's log, as lines come.

import { get } from "../base/api.js";
import { clock, fill, h, setText, show, when } from "../base/dom.js";
import { button, saveText, skeleton, trouble } from "../base/parts.js";
import { back } from "../base/server.js";

const KEPT = 1000;
const WAIT = 20; // seconds
const LEVELS = [["DEBUG", "everything"], ["INFO", "INFO and above"], ["WARNING", "WARNING and above"], ["ERROR", "ERROR and above"]];
const TONES = { DEBUG: "off", INFO: "good", WARNING: "attention", ERROR: "bad", CRITICAL: "bad" };

export function logs() {
  const refused = trouble();
  const level = h("select", { id: "log-level", onchange: () => restart() }, LEVELS.map(([value, text]) => h("option", { value }, text)));
  const text = h("input", { type: "search", id: "log-text", placeholder: "anything  ( / )", autocomplete: "off", oninput: () => narrow() });
  const state = h("span", { class: "pulse", role: "status", "data-tone": "busy" }, "connecting");
  const pause = button("Pause", () => hold(!held), { kind: "plain small" });
  const list = h("ol", { class: "log", "aria-label": "Lines, newest first", tabindex: "0" });
  const nothing = h("p", { class: "soft quiet", hidden: true }, "No line matches.");
  const labelled = (label, input) => h("div", { class: "field" }, h("label", { for: input.id }, label), input);
  const element = h(
    "section",
    { class: "card" },
    h("div", { class: "row between" }, h("h2", {}, "Log of this instance"), h("div", { class: "row" }, state, pause, button("Save", save, { kind: "plain small" }))),
    refused,
    h("div", { class: "filters two" }, labelled("Level", level), labelled("Text", text)),
    list,
    nothing,
  );
  let lines = [];
  let held = false;
  let run = 0;
  level.value = "DEBUG";

  const fits = (line) => {
    const wanted = text.value.trim().toLowerCase();
    return !wanted || wordsOf(line).toLowerCase().includes(wanted);
  };

  function hold(wanted) {
    held = wanted;
    setText(pause, held ? "Go on" : "Pause");
    pause.setAttribute("aria-pressed", String(held));
    if (!held) restart();
    else run += 1;
  }

  function narrow() {
    for (const one of lines) show(one.element, fits(one.line));
    setText(nothing, lines.length ? "No line matches." : "Nothing yet. Lines appear here as they are written.");
    show(nothing, !lines.some((one) => !one.element.hidden));
  }

  function add(found) {
    for (const line of found) {
      const row = rowOf(line);
      lines.push({ line, element: row });
      list.prepend(row);
    }
    for (const gone of lines.splice(0, Math.max(0, lines.length - KEPT))) gone.element.remove();
    narrow();
  }

  async function restart() {
    const mine = (run += 1);
    lines = [];
    fill(list, skeleton(6));
    let after = null;
    while (mine === run) {
      try {
        const page = await get("/v1/logs", { level: level.value, after, limit: 500, wait: after === null ? null : WAIT });
        if (mine !== run) return;
        if (after === null) fill(list);
        after = page.next;
        refused.tell(null);
        state.dataset.tone = "good";
        setText(state, "live");
        add(page.lines);
      } catch (problem) {
        if (mine !== run) return;
        refused.tell(problem);
        state.dataset.tone = "bad";
        setText(state, problem.status ? "refused" : "waiting");
        if (after === null) fill(list);
        if (problem.status) return;
        await back();
        if (mine === run) return restart(); // a server that was started again counts its lines anew
      }
    }
  }

  function save() {
    const text = lines.filter((one) => fits(one.line)).map((one) => JSON.stringify(one.line)).join("\n");
    saveText(`${text}\n`, "rookery-log.jsonl", "application/x-ndjson");
  }

  restart();
  return { element, leave: () => (run += 1) };
}

const wordsOf = (line) => [line.component, line.text, ...Object.entries(line.fields).map(([name, value]) => `${name}=${value}`), line.trace ?? ""].join(" ");

function rowOf(line) {
  const fields = Object.entries(line.fields).map(([name, value]) => h("span", { class: "log-field" }, h("span", { class: "soft" }, `${name}=`), value));
  return h(
    "li",
    { "data-tone": TONES[line.level] },
    h("time", { datetime: line.at, title: when(line.at) }, clock(line.at)),
    h("span", { class: "log-level" }, line.level),
    h("span", { class: "log-words" }, h("span", { class: "soft" }, `${line.component} `), line.text, " ", fields),
    line.trace ? h("details", { class: "json" }, h("summary", {}, "Traceback"), h("pre", { tabindex: "0" }, line.trace)) : null,
  );
}
