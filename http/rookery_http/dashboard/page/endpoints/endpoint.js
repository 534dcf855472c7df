// One webhook or sink: how deliveries go, what was tried last, what was given up.

import { call, path, post } from "../base/api.js";
import { ask } from "../base/dialogs.js";
import { ago, fill, h, setText, setTime, show, span } from "../base/dom.js";
import { button, pill, toast } from "../base/parts.js";
import { linePlot } from "../base/plot.js";
import { attempts, milliseconds } from "./attempts.js";
import { editSink, editWebhook, secret } from "./editing.js";
import { letters } from "./letters.js";

const SAMPLES = 90;
const number = (value) => (value ?? 0).toLocaleString("en", { maximumFractionDigits: 1 });

/** `kind` is `webhooks` or `sinks`, as in the paths; `shown` is the panel that is open at first, or null. */
export function endpoint(kind, first, refresh, shown = null) {
  const at = (...parts) => path(kind, first.id, ...parts);
  const isSink = kind === "sinks";
  const state = pill();
  const url = h("h2", { class: "url" });
  const about = h("p", { class: "soft" });
  const figures = Object.fromEntries(["pending", "rate", "attempts", "status", "dead"].map((name) => [name, h("dd")]));
  const lag = ago(null, { suffix: "", none: "–" });
  const success = ago(null);
  const rows = [
    [figures.pending, "waiting"],
    [h("dd", {}, lag), "oldest lag"],
    [figures.rate, "per second"],
    [figures.attempts, "delivered / failed"],
    isSink ? null : [figures.status, "last answer"],
    [figures.dead, "dead letters"],
    [h("dd", {}, success), "last delivered"],
  ].filter(Boolean);
  const numbers = h("dl", { class: "numbers" }, rows.map(([value, term]) => h("div", {}, value, h("dt", {}, term))));
  const plots = { lag: curve("Lag", (value) => span(value)), rate: curve("Delivered per second", number) };
  const failure = h("p", { class: "quote" });
  const result = h("div", { class: "test-result", role: "status" });
  const panel = h("div", { class: "letters" });
  const panels = { letters: letters(at, refresh), attempts: attempts(at) };
  let latest = first;
  let open = null;

  const toggles = Object.fromEntries(
    [["attempts", "Attempts"], ["letters", "Dead letters"]].map(([name, label]) => [name, button(label, () => toggle(name), { "aria-expanded": "false" })]),
  );

  async function toggle(name) {
    open = open === name ? null : name;
    for (const [other, one] of Object.entries(toggles)) one.setAttribute("aria-expanded", String(other === open));
    fill(panel, open ? panels[open].element : null);
    if (open) await panels[open].read();
  }

  async function test() {
    const found = await post(at("test"));
    const words = found.delivered ? `The test arrived in ${milliseconds(found.seconds)}${found.status ? `, answered ${found.status}` : ""}.` : `The test did not arrive: ${found.error ?? `answered ${found.status}`}.`;
    fill(result, h("p", {}, pill(found.delivered ? "arrived" : "failed", found.delivered ? "good" : "bad"), " ", words), found.answer ? h("pre", { tabindex: "0" }, found.answer) : null);
  }

  const pause = button("Pause", async () => {
    await call("PATCH", at(), { body: { enabled: !latest.enabled } });
    await refresh();
  });
  const rotate = isSink ? null : button("New secret", async () => {
    const text = "Deliveries are signed with a new secret at once, and for a while with the present one too, so that you can update your program.";
    if (await ask("Change the secret?", text, "Change it")) secret(await post(at("rotate-secret")));
  });
  const remove = button(
    "Delete",
    async () => {
      if (!(await ask(`Delete this ${isSink ? "sink" : "webhook"}?`, `${latest.url} gets no more events. What waits for it and its dead letters are deleted too.`, "Delete", { danger: true }))) return;
      await call("DELETE", at());
      toast("It is deleted.");
      await refresh();
    },
    { kind: "risky" },
  );
  if (shown) toggle(shown).catch(() => {});
  const edit = button("Edit", () => (isSink ? editSink : editWebhook)(latest, refresh));

  return {
    element: h(
      "article",
      { class: "card endpoint", "aria-label": `${isSink ? "Sink" : "Webhook"} ${first.url}` },
      h("div", { class: "row between top" }, h("div", {}, url, about), state),
      numbers,
      h("div", { class: "curves" }, plots.lag.element, plots.rate.element),
      failure,
      h("div", { class: "row actions" }, button("Test", test), toggles.attempts, toggles.letters, edit, pause, rotate, remove),
      result,
      panel,
    ),
    update(row) {
      const moved = row.dead !== latest.dead || row.delivered + row.failed !== latest.delivered + latest.failed;
      latest = row;
      setText(url, row.url);
      setText(about, [isSink ? `to ${row.target}` : null, row.session ? `events of ${row.session}` : "events of all sessions", row.events ? row.events.join(", ") : "every type", row.chats ? `${row.chats.length} chats` : null, row.format && row.format !== "rookery" ? row.format : null, row.replies ? "may reply" : null].filter(Boolean).join(" · "));
      state.set(...stateOf(row));
      setText(pause, row.enabled ? "Pause" : "Resume");
      setText(figures.pending, number(row.pending));
      setText(figures.dead, number(row.dead));
      figures.dead.parentElement.dataset.tone = row.dead ? "bad" : "";
      setTime(lag, row.oldest_pending_at);
      setText(figures.rate, number(row.deliveries_per_second));
      setText(figures.status, String(row.last_status ?? (row.last_error ? "none" : "–")));
      setText(figures.attempts, `${number(row.delivered)} / ${number(row.failed)}`);
      setTime(success, row.last_success_at);
      plots.lag.add(row.lag);
      plots.rate.add(row.deliveries_per_second);
      fill(failure, row.last_error ? [row.last_error, " ", ago(row.last_error_at, { prefix: "(", suffix: " ago)" })] : null);
      show(failure, Boolean(row.last_error));
      if (open && moved) panels[open].read().catch(() => {});
    },
  };
}

/** What was seen while the page is open. */
function curve(label, words) {
  const plot = linePlot();
  const values = [];
  const now = h("strong", {}, "–");
  return {
    element: h("div", { class: "curve" }, h("div", { class: "row between" }, h("span", { class: "soft" }, label), now), plot.element),
    add(value) {
      values.push(value ?? 0);
      if (values.length > SAMPLES) values.shift();
      setText(now, value ? words(value) : "0");
      plot.draw(values, `${label}: now ${value ? words(value) : 0}, at most ${words(Math.max(...values))} since this page was opened`);
    },
  };
}

function stateOf(row) {
  if (!row.enabled) return ["Paused", "off"];
  if (row.last_error_at && (!row.last_success_at || row.last_error_at > row.last_success_at)) return ["Failing", "bad"];
  if (row.dead) return ["Has dead letters", "attention"];
  return row.last_success_at ? ["Delivering", "good"] : ["Waiting for events", "good"];
}
