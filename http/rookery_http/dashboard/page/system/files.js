// Files that are kept: uploaded ones and those of messages.

import { call, get, path, save } from "../base/api.js";
import { ask } from "../base/dialogs.js";
import { ago, fill, h, show, size } from "../base/dom.js";
import { button, pill, skeleton, toast, trouble } from "../base/parts.js";

const STATES = { stored: "good", waiting: "busy", failed: "bad" };
const choices = (id, all, values, onchange) => h("select", { id, onchange }, h("option", { value: "" }, all), values.map((value) => h("option", { value }, value)));

export function files() {
  const refused = trouble();
  const origin = choices("file-origin", "any", ["uploaded", "inbound"], () => read());
  const state = choices("file-state", "any", ["stored", "waiting", "failed"], () => read());
  const labelled = (label, input) => h("div", { class: "field" }, h("label", { for: input.id }, label), input);
  const list = h("ul", { class: "events files", "aria-label": "Files" }, skeleton(4));
  const more = button("Show older ones", () => read(true), { kind: "plain" });
  const element = h("section", { class: "card stack" }, h("h2", {}, "Files"), refused, h("div", { class: "filters two even" }, labelled("Origin", origin), labelled("State", state)), list, h("div", { class: "row center" }, more));
  let next = null;
  show(more, false);

  async function read(further = false) {
    try {
      const page = await get("/v1/media", { origin: origin.value, state: state.value, before: further ? next : null });
      refused.tell(null);
      next = page.next;
      if (!further) fill(list);
      list.append(...page.media.map(rowOf));
      if (!list.firstChild) fill(list, h("li", {}, h("p", { class: "soft" }, origin.value || state.value ? "No file matches." : "No files yet. What messages bring and what is uploaded for sends is listed here.")));
      show(more, next !== null);
    } catch (problem) {
      refused.tell(problem);
      fill(list);
    }
  }

  function rowOf(file) {
    const name = file.filename ?? file.id;
    const remove = button("Delete", async () => {
      if (!(await ask(`Delete ${name}?`, "The file is deleted now. Messages that name it are kept.", "Delete", { danger: true }))) return;
      await call("DELETE", path("media", file.id));
      toast(`${name} is deleted.`);
      await read();
    }, { kind: "risky small", "aria-label": `Delete ${name}` });
    const about = [file.size === null ? null : size(file.size), file.content_type, file.session, file.origin].filter(Boolean).join(" · ");
    return h(
      "li",
      {},
      h("div", {}, h("strong", {}, name), h("p", { class: "soft" }, about, ", ", ago(file.created_at), file.expires_at ? [", deleted ", ago(file.expires_at)] : null), file.error ? h("p", { class: "error" }, file.error) : null),
      h("div", { class: "tools" }, pill(file.state, STATES[file.state] ?? "off"), file.state === "stored" ? button("Save", () => save(path("media", file.id), name), { kind: "small", "aria-label": `Save ${name}` }) : null, remove),
    );
  }

  read();
  return { element };
}
