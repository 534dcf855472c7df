// The frame: which view is shown, who is signed in, whether the server answers.

import { get, key, whenUnauthorized } from "./base/api.js";
import { fill, setText, show, span } from "./base/dom.js";
import { empty, every, skeleton, toast } from "./base/parts.js";
import { back, server, whenActionsWait, whenServerChanges } from "./base/server.js";
import { overview } from "./overview/overview.js";

// The overview comes with the page. Another view is loaded when it is first shown; the rest follow once the first one
// stands, so that they are there when the server is not.
const VIEWS = {
  overview: () => overview,
  sessions: async () => (await import("./sessions/sessions.js")).sessions,
  chats: async () => (await import("./chats/chats.js")).chats,
  events: async () => (await import("./events/events.js")).events,
  webhooks: async () => (await import("./endpoints/endpoints.js")).endpoints,
  system: async () => (await import("./system/system.js")).system,
};
const TABS = Object.keys(VIEWS);
const IDLE = 1500; // milliseconds after which the other views are loaded
load(place().name); // on its way while the rest of this module runs
const help = async () => (await import("./help.js")).help();
const main = document.getElementById("main");
const pulse = document.getElementById("pulse");
const signOut = document.getElementById("sign-out");

let leave = () => {};
let current = null;
let asking = false;

/** An address may have been cut or typed by hand: what is no percent-encoding is taken as it stands. */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** `#/view/id?filter=value` */
function place() {
  const [where, search] = location.hash.split("?");
  const [, name, id] = where.split("/");
  return { name: Object.hasOwn(VIEWS, name) ? name : "overview", id: id ? decoded(id) : null, query: new URLSearchParams(search) };
}

/** A view's function, at once if it is here; else a promise of it, or of null if the server does not answer. */
function load(name) {
  const found = VIEWS[name]();
  return found instanceof Promise ? found.catch(() => null) : found;
}

async function route() {
  if (asking) return;
  const { name, id, query } = place();
  if (current?.name === name && current.go) return current.go(id, query);
  leave();
  leave = () => {};
  current = { name };
  for (const tab of document.querySelectorAll("[data-view]")) {
    if (tab.dataset.view === name) tab.setAttribute("aria-current", "page");
    else tab.removeAttribute("aria-current");
  }
  document.title = `${name[0].toUpperCase()}${name.slice(1)} · Rookery`;
  main.className = `view-${name}`;
  const mine = current;
  let build = load(name);
  if (build instanceof Promise) {
    fill(main, skeleton(6));
    build = await build;
  }
  if (mine !== current) return; // another view was chosen meanwhile
  if (build === null) return lost(mine);
  const now = place(); // the filter may have changed
  const view = build(fill(main), now.id, now.query);
  mine.go = view.go;
  leave = view.leave;
}

/** The server went away before this view was loaded. */
async function lost(mine) {
  fill(main, empty("This view could not be loaded", "The server does not answer. The view appears as soon as it does."));
  await new Promise((resolve) => setTimeout(resolve, 1000));
  await back();
  if (mine !== current) return;
  current = null;
  route();
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

async function askForKey(problem) {
  if (asking) return;
  asking = true;
  leave();
  leave = () => {};
  current = null;
  beat("signed out", "off");
  show(signOut, false);
  for (const open of document.querySelectorAll("dialog[open]")) open.close();
  const { signIn } = await import("./sign_in.js");
  signIn(main, problem, () => {
    asking = false;
    look();
    return start();
  });
}

/** The view asks for what it shows, and a refused key leads to the form: there is nothing to ask for before. */
function start() {
  show(signOut, key.get() !== null);
  return route();
}

whenActionsWait(() => toast("The server does not answer. This will be done as soon as it is back.", "attention"));
whenUnauthorized(askForKey);
signOut.addEventListener("click", () => {
  key.forget();
  location.reload();
});
window.addEventListener("hashchange", () => {
  globalThis.asked = null; // what before.js asked for belongs to the first view
  route();
});
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
every(2500, look);
start().finally(() => setTimeout(() => TABS.forEach(load), IDLE));
