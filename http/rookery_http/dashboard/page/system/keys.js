// API keys: who has one, a new one (shown once), and taking one back.

import { call, get, path, post } from "../base/api.js";
import { ago, fill, h } from "../base/dom.js";
import { ask, button, field, form, toast } from "../base/parts.js";

const SCOPES = [
  ["read", "read: look at everything"],
  ["send", "send: look and send"],
  ["manage", "manage: also change sessions and webhooks"],
  ["admin", "admin: everything"],
];

export function keys() {
  const list = h("ul", { class: "events", "aria-label": "Keys" });
  const words = h("p", { class: "soft" });
  const element = h(
    "section",
    { class: "card" },
    h("div", { class: "row between" }, h("h2", {}, "Keys"), button("New key", create)),
    words,
    list,
  );

  async function refresh() {
    let found;
    try {
      found = (await get("/v1/keys")).keys;
    } catch {
      element.hidden = true;
      return;
    }
    element.hidden = false;
    words.textContent = found.length ? "" : "There is none besides ROOKERY_API_KEY.";
    fill(list, found.map(rowOf));
  }

  function rowOf(key) {
    const about = [key.scopes.join(", "), key.sessions ? `only ${key.sessions.join(", ")}` : null].filter(Boolean).join(" · ");
    const revoke = button("Revoke", async () => {
      if (!(await ask(`Revoke ${key.name || key.id}?`, "Whoever uses it is refused from now on, streams end at once.", "Revoke", { danger: true }))) return;
      await call("DELETE", path("keys", key.id));
      toast(`${key.name || key.id} is revoked.`);
      await refresh();
    }, { kind: "risky" });
    const used = h("p", { class: "soft" }, about, ", used ", ago(key.last_used_at));
    return h("li", {}, h("div", {}, h("strong", {}, key.name || key.id), used), revoke);
  }

  function create() {
    const name = field("name", "Name", { hint: "For people: who will use it?" });
    const scope = field("scope", "It may", { choices: SCOPES, value: "read" });
    const sessions = field("sessions", "Only these sessions", { hint: "Ids, separated by commas; empty: all." });
    form({
      title: "New key",
      fields: [name, scope, sessions],
      verb: "Create the key",
      async submit() {
        const only = sessions.input.value.split(",").map((one) => one.trim()).filter(Boolean);
        const body = { name: name.input.value.trim(), scopes: [scope.input.value] };
        if (only.length) body.sessions = only;
        const made = await post("/v1/keys", body);
        await refresh();
        shown(made.key);
      },
    });
  }

  /** The key itself, this once. */
  function shown(key) {
    const close = h("button", { type: "button", class: "primary" }, "I have kept it");
    const dialog = h("dialog", { class: "question", "aria-labelledby": "new-key" }, h("h2", { id: "new-key" }, "The new key"), h("p", {}, "It is shown now and never again."), h("p", { class: "mono new-key", tabindex: "0" }, key), h("div", { class: "row end" }, close));
    close.addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
  }

  refresh();
  return { element };
}
