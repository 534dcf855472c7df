// The server itself, one part at a time: the address says which.

import { fill, h } from "../base/dom.js";
import { audit } from "./audit.js";
import { files } from "./files.js";
import { instance } from "./instance.js";
import { keys } from "./keys.js";
import { logs } from "./logs.js";
import { doctor } from "./doctor.js";
import { settings } from "./settings.js";
import { tasks } from "./tasks.js";

const PARTS = {
  instance: ["Instance", instance],
  doctor: ["Doctor", doctor],
  logs: ["Log", logs],
  keys: ["Keys", keys],
  audit: ["Audit", audit],
  files: ["Files", files],
  settings: ["Settings", settings],
  tasks: ["Tasks", tasks],
};

export function system(main, id) {
  const place = h("div", { class: "stack part" });
  const links = Object.entries(PARTS).map(([name, [label]]) => h("a", { href: `#/system/${name}`, "data-part": name }, label));
  let shown = null;
  let leave = () => {};
  fill(main, h("h1", {}, "System"), h("nav", { class: "parts", "aria-label": "Parts of the system" }, links), place);

  function go(wanted) {
    const name = wanted !== null && Object.hasOwn(PARTS, wanted) ? wanted : "instance";
    if (name === shown) return;
    leave();
    shown = name;
    for (const link of links) {
      if (link.dataset.part === name) {
        link.setAttribute("aria-current", "page");
        link.scrollIntoView({ block: "nearest", inline: "nearest" });
      } else link.removeAttribute("aria-current");
    }
    const part = PARTS[name][1]();
    fill(place, part.element);
    leave = part.leave ?? (() => {});
  }

  go(id);
  return { go, leave: () => leave() };
}
