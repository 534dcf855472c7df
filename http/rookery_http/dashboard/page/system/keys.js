// API keys: who has one, a new one (shown once), and taking one back.

import { call, get, path, post } from "../base/api.js";
import { ask, field, form, shownOnce } from "../base/dialogs.js";
import { ago, fill, h, show } from "../base/dom.js";
import { button, copy, skeleton, toast, trouble } from "../base/parts.js";

const SCOPES = [
  ["read", "read: see everything"],
  ["send", "send: see everything and send"],
  ["manage", "manage: also change sessions and webhooks"],
  ["admin", "admin: everything"],
];
const DAY = 86_400;

export function keys() {
  const refused = trouble();
  const list = h("ul", { class: "events", "aria-label": "Keys" }, skeleton(3));
  const words = h("p", { class: "soft" });
  const add = button("New key", create);
  const element = h("section", { class: "card" }, h("div", { class: "row between" }, h("h2", {}, "Keys"), add), refused, words, list);

  async function refresh() {
    try {
      const found = (await get("/v1/keys", { limit: 500 })).keys;
      words.textContent = found.length ? "" : "No keys yet besides ROOKERY_API_KEY. Create one for each program, with only the rights it needs.";
      fill(list, found.map(rowOf));
    } catch (problem) {
      refused.tell(problem);
      show(add, false);
      fill(list);
    }
  }

  function rowOf(key) {
    const about = [key.scopes.join(", "), key.sessions ? `only ${key.sessions.join(", ")}` : null, key.rate ? `${key.rate} requests per second` : null].filter(Boolean).join(" · ");
    const revoke = button("Revoke", async () => {
      if (!(await ask(`Revoke ${key.name || key.id}?`, "Requests with it are refused from now on, and its open streams end.", "Revoke", { danger: true }))) return;
      await call("DELETE", path("keys", key.id));
      toast(`${key.name || key.id} is revoked.`);
      await refresh();
    }, { kind: "risky" });
    const used = h("p", { class: "soft" }, about, ", ", key.last_used_at ? ["used ", ago(key.last_used_at)] : "not used yet", key.expires_at ? [", expires ", ago(key.expires_at)] : null);
    return h("li", {}, h("div", {}, h("strong", {}, key.name || key.id), used), revoke);
  }

  function create() {
    const name = field("name", "Name", { hint: "Who or what will use it?" });
    const scope = field("scopes", "Scope", { choices: SCOPES, value: "read" });
    const sessions = field("sessions", "Only these sessions", { hint: "Ids, separated by commas; empty: all." });
    const days = field("expires_in", "Days until it expires", { type: "number", min: "0", step: "any", inputmode: "decimal", placeholder: "never" });
    form({
      title: "New key",
      fields: [name, scope, sessions, days],
      verb: "Create the key",
      async submit(values) {
        const only = values.sessions.split(",").map((one) => one.trim()).filter(Boolean);
        const body = { name: values.name, scopes: [values.scopes] };
        if (only.length) body.sessions = only;
        if (values.expires_in) body.expires_in = Number(values.expires_in) * DAY;
        const made = await post("/v1/keys", body);
        await refresh();
        shownOnce("The new key", "It is shown only once: copy it now.", made.key, { label: "Key", copied: "The key is copied.", onCopy: copy });
      },
    });
  }

  refresh();
  return { element };
}
