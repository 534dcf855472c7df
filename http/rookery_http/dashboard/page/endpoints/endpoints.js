// Webhooks: what waits, what was given up, and another try.

import { call, get, path, post } from "../base/api.js";
import { ago, fill, h, keyed, setText, setTime, show } from "../base/dom.js";
import { ask, button, empty, every, field, form, pill, toast } from "../base/parts.js";
import { summary } from "../base/words.js";

export function webhooks(main) {
  const cards = h("div", { class: "stack" });
  const nothing = h("div");
  const trouble = h("p", { class: "error", role: "alert", hidden: true });
  const total = h("p", { class: "soft" });
  fill(main, h("div", { class: "row between" }, h("div", {}, h("h1", {}, "Webhooks"), total), button("Add a webhook", () => add(refresh), { kind: "primary" })), trouble, cards, nothing);

  async function refresh() {
    try {
      const [{ webhooks: rows }, health] = await Promise.all([get(path("webhooks")), get("/v1/health").catch(() => null)]);
      show(trouble, false);
      if (health) setText(total, `${plural(health.pending_deliveries, "delivery", "deliveries")} waiting, ${plural(health.dead_letters, "dead letter", "dead letters")} in all.`);
      keyed(cards, rows, (row) => row.id, (row) => card(row, refresh));
      if (rows.length) fill(nothing);
      else if (!nothing.hasChildNodes()) {
        const text = "A webhook is an address of yours that gets every event by POST: signed, in order per chat, and retried for a day when it does not answer.";
        fill(nothing, empty("No webhooks yet", text, button("Add the first one", () => add(refresh), { kind: "primary" })));
      }
    } catch (problem) {
      trouble.textContent = problem.message;
      show(trouble, problem.status !== 401);
    }
  }

  return { leave: every(2000, refresh) };
}

const number = (value) => (value ?? 0).toLocaleString("en", { maximumFractionDigits: 1 });
const plural = (count, one, many) => `${count} ${count === 1 ? one : many}`;

function add(refresh) {
  const url = field("url", "Address", { type: "url", placeholder: "https://example.org/rookery", inputmode: "url" });
  const session = field("session", "Only events of this session (optional)", { placeholder: "all sessions" });
  const events = field("events", "Only these types (optional)", { placeholder: "all types", hint: "Separated by commas, such as message, edited_message." });
  form({
    title: "Add a webhook",
    intro: "Deliveries are signed by the Standard Webhooks scheme. The secret is shown once, after this.",
    fields: [url, session, events],
    verb: "Add",
    async submit(values) {
      const body = { url: values.url };
      if (values.session) body.session = values.session;
      if (values.events) body.events = values.events.split(",").map((one) => one.trim()).filter(Boolean);
      const made = await post(path("webhooks"), body);
      refresh();
      secret(made);
    },
  });
  url.input.focus();
}

function secret(webhook) {
  const dialog = h("dialog", { class: "form", "aria-labelledby": "secret-title" });
  const text = h("input", { readonly: true, value: webhook.secret, "aria-label": "Secret", class: "mono" });
  const copy = button("Copy", async () => {
    text.select();
    await navigator.clipboard.writeText(webhook.secret);
    toast("The secret is copied.");
  });
  fill(
    dialog,
    h("h2", { id: "secret-title" }, "Keep this secret"),
    h("p", { class: "soft" }, "Your program checks signatures with it. It is not shown again."),
    h("div", { class: "row" }, text, copy),
    h("div", { class: "row end" }, h("button", { type: "button", class: "primary", onclick: () => dialog.close() }, "I have it")),
  );
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

function card(first, refresh) {
  const at = (...parts) => path("webhooks", first.id, ...parts);
  const state = pill();
  const url = h("h2", { class: "url" });
  const about = h("p", { class: "soft" });
  const pending = h("dd");
  const dead = h("div", {}, h("dd"), h("dt", {}, "dead letters"));
  const lag = ago(null, { suffix: "", none: "–" });
  const success = ago(null);
  const rate = h("dd");
  const attempts = h("dd");
  const status = h("dd");
  const numbers = h("dl", { class: "numbers" }, [[pending, "waiting"], [h("dd", {}, lag), "lag of the oldest"], [rate, "a second"], [attempts, "delivered / failed"], [status, "last answer"]].map(([value, term]) => h("div", {}, value, h("dt", {}, term))), dead, h("div", {}, h("dd", {}, success), h("dt", {}, "last delivered")));
  const failure = h("p", { class: "quote" });
  const letters = h("div", { class: "letters" });
  let latest = first;
  let open = false;

  const toggle = button("Pause", async () => {
    await call("PATCH", at(), { body: { enabled: !latest.enabled } });
    refresh();
  });
  const rotate = button("New secret", async () => {
    const text = "Deliveries are signed with a new secret at once, and with the present one too for a while, so that you can change it in your program.";
    if (await ask("Change the secret?", text, "Change it")) secret(await post(at("rotate-secret")));
  });
  const remove = button(
    "Delete",
    async () => {
      if (!(await ask("Delete this webhook?", `${latest.url} gets no more events. What waits for it and its dead letters are deleted too.`, "Delete", { danger: true }))) return;
      await call("DELETE", at());
      refresh();
    },
    { kind: "risky" },
  );
  const look = button("Dead letters", async () => {
    open = !open;
    look.setAttribute("aria-expanded", String(open));
    if (open) await list();
    else fill(letters);
  }, { "aria-expanded": "false" });

  async function replay(ids, text) {
    const { replayed } = await post(at("replay"), ids ? { event_ids: ids } : undefined);
    toast(replayed ? text(replayed) : "There was nothing left to replay.");
    refresh();
    if (open) await list();
  }

  async function list() {
    const { dead_letters: found, next } = await get(at("dead-letters"), { limit: 50 });
    if (!found.length) return fill(letters, h("p", { class: "soft quiet" }, "No dead letters. What cannot be delivered for a day would be kept here."));
    const all = button("Replay all", () => replay(null, (count) => `${plural(count, "delivery is", "deliveries are")} on the way again.`), { kind: "primary" });
    const rows = found.map((letter) =>
      h(
        "li",
        {},
        h("div", {}, h("span", { class: "tag" }, letter.event.type), " ", h("strong", { class: "clip" }, summary(letter.event)), h("p", { class: "soft" }, `${letter.event.session}, event ${letter.event.id}, ${plural(letter.attempts, "attempt", "attempts")}, `, ago(letter.at, { prefix: "given up " }), `: ${letter.error}`)),
        button("Replay", () => replay([letter.event.id], () => "The delivery is on the way again."), { "aria-label": `Replay event ${letter.event.id}` }),
      ),
    );
    return fill(letters, h("div", { class: "row between" }, h("h3", {}, "Dead letters"), all), h("ul", { class: "events" }, rows), next ? h("p", { class: "soft" }, "There are more; these are the oldest 50.") : null);
  }

  return {
    element: h("article", { class: "card", "aria-label": `Webhook ${first.url}` }, h("div", { class: "row between top" }, h("div", {}, url, about), state), numbers, failure, h("div", { class: "row actions" }, look, toggle, rotate, remove), letters),
    update(row) {
      const changed = row.dead !== latest.dead;
      latest = row;
      setText(url, row.url);
      setText(about, `${row.session ? `events of ${row.session}` : "events of all sessions"} · ${row.events ? row.events.join(", ") : "every type"}`);
      state.set(...stateOf(row));
      setText(toggle, row.enabled ? "Pause" : "Resume");
      setText(pending, String(row.pending ?? "–"));
      setText(dead.firstChild, String(row.dead ?? "–"));
      dead.dataset.tone = row.dead ? "bad" : "";
      setTime(lag, row.oldest_pending_at);
      setText(rate, number(row.deliveries_per_second));
      setText(status, String(row.last_status ?? (row.last_error ? "none" : "–")));
      setText(attempts, `${number(row.delivered)} / ${number(row.failed)}`);
      setTime(success, row.last_success_at);
      fill(failure, row.last_error ? [row.last_error, " ", ago(row.last_error_at, { prefix: "(", suffix: " ago)" })] : null);
      show(failure, Boolean(row.last_error));
      if (open && changed) list().catch(() => {});
    },
  };
}

function stateOf(row) {
  if (!row.enabled) return ["Paused", "off"];
  if (row.last_error_at && (!row.last_success_at || row.last_error_at > row.last_success_at)) return ["Failing", "bad"];
  if (row.dead) return ["Has dead letters", "attention"];
  return row.last_success_at ? ["Delivering", "good"] : ["Waiting for events", "good"];
}
