// Adding a session: a bot by its token, an account by what its phone will scan.

import { post, path } from "../base/api.js";
import { h } from "../base/dom.js";
import { field, form } from "../base/dialogs.js";

const KINDS = {
  telegram: {
    label: "Telegram bot",
    hint: "Talk to @BotFather in Telegram, send /newbot, and paste the token that you get.",
    verb: "Add the bot",
  },
  whatsapp: {
    label: "WhatsApp account",
    hint: "A QR code appears next; scan it with the phone that has the account.",
    verb: "Add and show the code",
  },
};

export function addSession(done, kind = "telegram") {
  const about = KINDS[kind];
  const name = field("name", "Name, for people", { maxlength: "256", placeholder: kind === "telegram" ? "The shop’s bot" : "The office phone" });
  const id = field("id", "Id, for programs (optional)", { hint: "Letters, digits and . _ : @ - ; it cannot be changed later.", maxlength: "128", placeholder: "generated if empty" });
  const token = field("token", "Token", { type: "password", placeholder: "123456789:AA…" });
  const fields = kind === "telegram" ? [token, name, id] : [name, id];
  let dialog = null;
  const tabs = h(
    "div",
    { class: "segments", role: "group", "aria-label": "Platform" },
    Object.entries(KINDS).map(([other, { label }]) =>
      h("button", { type: "button", "aria-pressed": String(other === kind), onclick: () => other !== kind && (dialog.close(), addSession(done, other)) }, label),
    ),
  );
  dialog = form({
    title: "Add a session",
    intro: about.hint,
    extra: [tabs],
    fields,
    verb: about.verb,
    async submit(values) {
      const body = { platform: kind };
      if (values.id) body.id = values.id;
      if (values.name) body.name = values.name;
      if (kind === "telegram") body.credentials = { token: values.token };
      done(await post(path("sessions"), body));
    },
  });
  fields[0].input.focus();
}
