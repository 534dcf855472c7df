// Asking for the key: at the start, and when the server no longer takes the one that is there.

import { key } from "./base/api.js";
import { blame, field, forgive } from "./base/dialogs.js";
import { fill, h } from "./base/dom.js";

/** The form, in place of a view; `problem` says why the key before was refused. `done` follows once there is a key. */
export function signIn(main, problem, done) {
  const refused = key.get() !== null;
  key.forget();
  const input = field("key", "Key", { type: "password", autocomplete: "current-password", required: true });
  const error = h("p", { class: "error", role: "alert", hidden: true });
  const form = h(
    "form",
    { class: "card sign-in", novalidate: true },
    h("h1", {}, "Sign in"),
    h("p", { class: "soft" }, "Paste a key of this server: the one in ", h("code", {}, "ROOKERY_API_KEY"), ", or one that an administrator made. It is kept until this tab is closed."),
    input.element,
    error,
    h("button", { class: "primary", type: "submit" }, "Sign in"),
  );
  const wrong = (message) => blame([input], { field: "key", message }, error);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    forgive([input], error);
    if (!input.value()) return wrong("Enter a key.");
    key.set(input.value());
    return done();
  });
  main.className = "view-sign-in";
  fill(main, form);
  if (refused) wrong(problem.message);
  input.input.focus();
}
