// What is known of a session besides its state: proof of life, the account, and the limits that its platform set.

import { sentence } from "../base/api.js";
import { ago, fill, h, localised, setText, setTime, show, when } from "../base/dom.js";

const ACCOUNT = { phone: "Phone", lid: "Hidden id", name: "Name", id: "Id", username: "User name" };

export function lifeOf() {
  const inbound = ago(null);
  const ack = ago(null);
  const pong = ago(null);
  const probe = ago(null);
  const latency = h("span");
  const none = h("p", { class: "soft" }, "Nothing yet: it is not connected, or another instance runs it.");
  const facts = h(
    "dl",
    {},
    [["Last message", inbound], ["Last answer", pong], ["Last send confirmed", ack], ["Last check", probe], ["Check took", latency]].map(([term, value]) => [h("dt", {}, term), h("dd", {}, value)]),
  );
  return {
    element: h("div", {}, none, facts),
    update(life) {
      show(none, !life);
      show(facts, Boolean(life));
      if (!life) return;
      setTime(inbound, life.last_inbound);
      setTime(ack, life.last_ack);
      setTime(pong, life.last_pong);
      setTime(probe, life.last_probe);
      setText(latency, life.probe_latency === null ? "–" : `${Math.max(1, Math.round(life.probe_latency * 1000))} ms`);
    },
  };
}

/** The account, when it is known. */
export function accountOf() {
  const facts = h("dl");
  const element = h("section", { class: "card", hidden: true }, h("h3", {}, "Account"), facts);
  let drawn = "";
  return {
    element,
    update(row) {
      const rows = Object.entries(row.account ?? {}).filter(([, value]) => value);
      show(element, rows.length > 0);
      if (drawn === JSON.stringify(rows)) return;
      drawn = JSON.stringify(rows);
      fill(facts, rows.map(([name, value]) => [h("dt", {}, ACCOUNT[name] ?? name), h("dd", {}, name === "username" ? `@${value}` : value)]));
    },
  };
}

/** What the platform does not let the account do, and until when. */
export function limitsOf() {
  const text = h("span");
  const element = h("p", { class: "limit", role: "note", hidden: true }, h("span", { class: "sign", "aria-hidden": "true" }, "▲ "), text);
  return {
    element,
    update(row) {
      const until = row.limited_until ? when(row.limited_until) : null;
      const banned = row.reason === "BANNED" || row.reason === "TEMPORARILY_BANNED";
      show(element, Boolean(until) || banned);
      if (banned) setText(text, `The platform has banned this account${row.next_retry_at ? `; the next attempt is on ${when(row.next_retry_at)}` : ""}. ${sentence(localised(row.detail))}`);
      else if (until) setText(text, `Until ${until} the platform lets this account write only to people it knows (463). Replies in existing chats are not affected.`);
    },
  };
}
