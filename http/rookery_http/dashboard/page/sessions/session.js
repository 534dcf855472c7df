// One session: why it is as it is, what a person has to do, what can be done.

import { call, get, path, post, sentence } from "../base/api.js";
import { ago, fill, h, keyed, localised, setText, setTime, show, when } from "../base/dom.js";
import { eventList } from "../events/event_list.js";
import { accountOf, lifeOf, limitsOf } from "./facts.js";
import { pairing, tokenForm } from "./pairing.js";
import { ask } from "../base/dialogs.js";
import { button, empty, every, json, pill, toast } from "../base/parts.js";
import { sending } from "./sending.js";
import { editSession } from "./settings.js";
import { dayStrip } from "./strip.js";
import { PAIRING, actionOf, platform, stateOf } from "../base/words.js";

export function session(pane, id, known, refresh) {
  const at = (...parts) => path("sessions", id, ...parts);
  let latest = known ?? null;
  let helper = null;
  let missing = false;
  let linking = false;

  const name = h("h2", { class: "title" });
  const subtitle = h("p", { class: "soft" });
  const state = pill();
  const detail = h("p", { class: "lead" });
  const since = ago(null, { prefix: "for ", suffix: "" });
  const retry = ago(null, { prefix: "next attempt ", none: "" });
  const lastError = h("p", { class: "quote" });
  const callout = h("div", { class: "callout", role: "region", "aria-label": "What to do" });
  const history = h("ol", { class: "timeline" });
  const life = lifeOf();
  const account = accountOf();
  const limits = limitsOf();
  const strip = dayStrip(id);
  const raw = json("All fields", {});
  const send = sending(id);
  const list = eventList({ session: id, last: 1000 }, { onPick: (event) => event.chat && send.to(event.chat) });

  async function verb(word) {
    update(await post(at(word)));
    refresh();
    readHistory();
  }

  const sure = (word, title, text, label, danger) => async () => {
    if (await ask(title, text, label, { danger })) await verb(word);
  };
  const called = () => latest?.name || id;
  const buttons = {
    start: button("Start", () => verb("start"), { kind: "primary" }),
    stop: button("Stop", () => sure("stop", `Stop ${called()}?`, "It is disconnected and stays stopped, also after a restart of the server. Nothing is logged out or lost.", "Stop")()),
    restart: button("Restart", () => sure("restart", `Restart ${called()}?`, "Its connection is replaced by a new one. Messages that arrive meanwhile are not lost.", "Restart")()),
    retry: button("Retry now", () => verb("retry"), { title: "Do not wait for the next attempt" }),
    logout: button("Log out", () => sure("logout", `Log ${called()} out?`, "The authorisation at the platform ends. To use the account again, somebody has to link it again.", "Log out", true)(), { kind: "risky" }),
    settings: button("Settings", () => editSession(latest, refresh)),
    chats: h("a", { class: "button", href: `#/chats/${encodeURIComponent(id)}` }, "Chats"),
    remove: button("Delete", remove, { kind: "risky" }),
  };

  async function remove() {
    const text = "It is logged out where the platform supports that, and removed with its credentials. Its events stay in the log. This cannot be undone.";
    if (!(await ask(`Delete ${called()}?`, text, "Delete", { danger: true }))) return;
    const report = await call("DELETE", at());
    toast(report.detail || `${called()} is deleted.`);
    location.hash = "#/sessions";
    refresh();
  }

  fill(
    pane,
    h("a", { class: "back", href: "#/sessions" }, "← All sessions"),
    h("header", { class: "row between top" }, h("div", {}, name, subtitle), state),
    h("div", { class: "card" }, detail, h("p", { class: "soft facts" }, since, retry), lastError, limits.element, callout, h("div", { class: "row actions", role: "group", "aria-label": "Actions" }, Object.values(buttons))),
    h("section", { class: "card" }, strip.element),
    h(
      "div",
      { class: "beside" },
      h("section", { class: "card" }, h("h3", {}, "Events"), list.element),
      h("div", { class: "stack" }, h("section", { class: "card" }, h("h3", {}, "Send a message"), send.element), account.element, h("section", { class: "card" }, h("h3", {}, "Proof of life"), life.element)),
    ),
    h("section", { class: "card" }, h("h3", {}, "History"), history),
    raw,
  );

  function update(row) {
    latest = row;
    setText(name, row.name || row.id);
    setText(subtitle, [platform(row.platform), row.id !== row.name ? row.id : null, row.owner ? `runs on ${row.owner}` : null].filter(Boolean).join(" · "));
    state.set(...stateOf(row));
    setText(detail, sentence(localised(row.detail || row.reason)));
    setTime(since, row.since);
    setTime(retry, row.next_retry_at);
    setText(lastError, row.last_error ?? "");
    show(lastError, Boolean(row.last_error) && row.last_error !== row.detail);
    life.update(row.proof_of_life);
    account.update(row);
    limits.update(row);
    raw.set(row);
    show(buttons.start, !row.enabled || row.status === "DISCONNECTED" || row.status === "AUTH_FAILURE");
    show(buttons.stop, row.enabled);
    show(buttons.restart, row.enabled);
    show(buttons.retry, row.enabled && row.status === "RECONNECTING");
    show(buttons.logout, row.platform !== "telegram" && row.has_credentials);
    help(row);
  }

  // The helper stays as long as the same thing is asked for: a half-typed number must not vanish.
  function help(row) {
    tellWhetherLinked(row);
    const wanted = PAIRING.includes(row.status) ? "pairing" : row.action === "replace_token" ? "token" : actionOf(row);
    if (helper?.name === wanted) return;
    helper?.leave?.();
    helper = { name: wanted };
    if (wanted === "pairing") helper = { name: wanted, ...pairing(callout, id) };
    else if (wanted === "token") helper = { name: wanted, ...tokenForm(callout, id, refresh) };
    else fill(callout, wanted ? h("p", {}, h("span", { class: "sign", "aria-hidden": "true" }, "▲ "), `${wanted}.`) : null);
    show(callout, wanted !== "");
  }

  // Between the scan and the end it connects, so the helper has gone by then.
  function tellWhetherLinked(row) {
    if (PAIRING.includes(row.status)) linking = true;
    else if (linking && row.status === "CONNECTED") toast(`${called()} is linked.`);
    else if (linking && ["DISCONNECTED", "AUTH_FAILURE"].includes(row.status)) toast(row.enabled ? `It was not linked. ${sentence(row.detail || row.reason)}` : "It was stopped before it was linked.", "bad");
    if (![...PAIRING, "LOADING", "INITIALIZING", "RECONNECTING"].includes(row.status)) linking = false;
  }

  async function readHistory() {
    try {
      const rows = (await get(at("history"))).history;
      keyed(history, rows.map((row, index) => ({ ...row, key: `${row.at} ${rows.length - index} ${row.status}` })), (row) => row.key, transition);
      await strip.read(rows);
      if (latest === null) update(await get(at()));
      missing = false;
    } catch (problem) {
      if (problem.status === 404 && !missing) {
        missing = true;
        fill(pane, h("a", { class: "back", href: "#/sessions" }, "← All sessions"), empty("There is no such session", `No session has the id ${id}. It may have been deleted, or the address is from another server.`, h("a", { class: "button primary", href: "#/sessions" }, "See all sessions")));
      }
    }
  }

  if (latest) update(latest);
  const end = every(2500, readHistory);
  pane.scrollIntoView({ block: "nearest" });
  scrollTo({ top: 0 });
  return {
    update,
    leave() {
      end();
      helper?.leave?.();
      list.leave();
      send.leave();
    },
  };
}

function transition(row) {
  const state = pill(...stateOf({ ...row, enabled: row.reason !== "DISABLED" }));
  const text = h("span", {}, sentence(localised(row.detail || row.reason)));
  return { element: h("li", {}, state, text, h("span", { class: "soft" }, h("span", { class: "at" }, `${when(row.at)}, `), ago(row.at))) };
}
