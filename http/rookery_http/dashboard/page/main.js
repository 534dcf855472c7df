// The frame: which view is shown, who is signed in, whether the server answers.

import { Problem, get, key, path, whenUnauthorized } from "./base/api.js";
import { chats } from "./chats/chats.js";
import { fill, h, setText, show } from "./base/dom.js";
import { events } from "./events/events.js";
import { help } from "./help.js";
import { overview } from "./overview/overview.js";
import { every } from "./base/parts.js";
import { sessions } from "./sessions/sessions.js";
import { system } from "./system/system.js";
import { webhooks } from "./endpoints/endpoints.js";

const VIEWS = { overview, sessions, chats, events, webhooks, system };
const main = document.getElementById("main");
const pulse = document.getElementById("pulse");
const signOut = document.getElementById("sign-out");

let leave = () => {};
let current = null;
let asking = false;

/** `#/view/id?filter=value` */
function place() {
  const [where, search] = location.hash.split("?");
  const [, name, id] = where.split("/");
  return { name: name in VIEWS ? name : "overview", id: id ? decodeURIComponent(id) : null, query: new URLSearchParams(search) };
}

function route() {
  if (asking) return;
  const { name, id, query } = place();
  if (current?.name === name && current.go) return current.go(id, query);
  leave();
  for (const tab of document.querySelectorAll("[data-view]")) {
    if (tab.dataset.view === name) tab.setAttribute("aria-current", "page");
    else tab.removeAttribute("aria-current");
  }
  document.title = `${name[0].toUpperCase()}${name.slice(1)} · Rookery`;
  main.className = `view-${name}`;
  const view = VIEWS[name](fill(main), id, query);
  current = { name, go: view.go };
  leave = view.leave;
}

function beat(text, tone) {
  setText(pulse, text);
  pulse.dataset.tone = tone;
}

/** The numbers in the bar; a key for some sessions only may not see them, and that is fine. */
async function look() {
  if (asking) return;
  try {
    const health = await get("/v1/health");
    beat(health.ready ? `${health.connected} connected here` : "starting or stopping", health.ready ? "good" : "busy");
    const count = document.getElementById("dead-count");
    setText(count, String(health.dead_letters));
    count.title = `${health.dead_letters} dead letters`;
    show(count, health.dead_letters > 0);
  } catch (problem) {
    if (problem.status === 403) beat("signed in", "good");
    else if (problem.status !== 401) beat("no answer", "bad");
  }
}

function signIn(problem) {
  if (asking) return;
  asking = true;
  leave();
  leave = () => {};
  current = null;
  beat("signed out", "off");
  show(signOut, false);
  const refused = key.get() !== null;
  key.forget();
  const input = h("input", { id: "key", type: "password", autocomplete: "current-password", required: true, spellcheck: "false" });
  const error = h("p", { class: "error", role: "alert" }, refused ? problem.message : "");
  const form = h(
    "form",
    { class: "card sign-in", novalidate: true },
    h("h1", {}, "Sign in"),
    h("p", { class: "soft" }, "Paste a key of this server: the one in ", h("code", {}, "ROOKERY_API_KEY"), ", or one that an administrator made. It is kept until this tab is closed."),
    h("label", { for: "key" }, "Key"),
    input,
    error,
    h("button", { class: "primary", type: "submit" }, "Sign in"),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!input.value.trim()) {
      error.textContent = "The field is empty.";
      return input.focus();
    }
    key.set(input.value.trim());
    asking = false;
    return start();
  });
  main.className = "view-sign-in";
  fill(main, form);
  input.focus();
}

async function start() {
  try {
    await get(path("sessions"), { limit: 1 });
  } catch (problem) {
    if (problem.status === 401) return;
    if (!(problem instanceof Problem)) throw problem;
  }
  show(signOut, key.get() !== null);
  look();
  route();
}

whenUnauthorized(signIn);
signOut.addEventListener("click", () => {
  key.forget();
  location.reload();
});
window.addEventListener("hashchange", route);
document.addEventListener("keydown", (event) => {
  const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement?.tagName ?? "");
  if (event.key === "/" && !typing && !document.querySelector("dialog[open]")) {
    const search = main.querySelector("input[type=search]");
    if (search) {
      event.preventDefault();
      search.focus();
    }
  }
  if (event.key === "?" && !typing && !document.querySelector("dialog[open]")) help();
});
start().then(() => every(2500, look));
