// The frame: which view is shown, who is signed in, whether the server answers.

import { Problem, get, key, path, whenUnauthorized } from "./base/api.js";
import { fill, setText, show, span } from "./base/dom.js";
import { every, toast } from "./base/parts.js";
import { server, whenActionsWait, whenServerChanges } from "./base/server.js";
import { chats } from "./chats/chats.js";
import { endpoints } from "./endpoints/endpoints.js";
import { events } from "./events/events.js";
import { help } from "./help.js";
import { overview } from "./overview/overview.js";
import { sessions } from "./sessions/sessions.js";
import { signIn } from "./sign_in.js";
import { system } from "./system/system.js";

const VIEWS = { overview, sessions, chats, events, webhooks: endpoints, system };
const TABS = ["overview", "sessions", "chats", "events", "webhooks", "system"];
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
  pulse.title = text;
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
    else if (problem.status !== 401) absent();
  }
}

/** Nothing answers: everything is grey, and says how old it is. */
function absent() {
  const since = server.lastSeen === null ? "" : `, last seen ${span((Date.now() - server.lastSeen) / 1000)} ago`;
  beat(`no answer${since}`, "bad");
}

whenServerChanges((away) => {
  document.documentElement.dataset.server = away ? "away" : "";
  if (away) absent();
  else look();
});
setInterval(() => server.away && !asking && absent(), 1000);

function askForKey(problem) {
  if (asking) return;
  asking = true;
  leave();
  leave = () => {};
  current = null;
  beat("signed out", "off");
  show(signOut, false);
  for (const open of document.querySelectorAll("dialog[open]")) open.close();
  signIn(main, problem, () => {
    asking = false;
    return start();
  });
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

whenActionsWait(() => toast("The server is away. This is done as soon as it is back.", "attention"));
whenUnauthorized(askForKey);
signOut.addEventListener("click", () => {
  key.forget();
  location.reload();
});
window.addEventListener("hashchange", route);
document.addEventListener("keydown", (event) => {
  const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement?.tagName ?? "");
  if (typing || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (event.key === "/") {
    const search = main.querySelector("input[type=search]");
    if (!search) return;
    event.preventDefault();
    search.focus();
  } else if (event.key === "?") help();
  else if (TABS[Number(event.key) - 1]) location.hash = `#/${TABS[Number(event.key) - 1]}`;
});
start().then(() => every(2500, look));
