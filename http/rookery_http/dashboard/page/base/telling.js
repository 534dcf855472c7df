// One line that says what an event is about, for people: also for those that are no messages.

import { stateOf } from "./words.js";

const KINDS = {
  "session.status": (body) => `${body.previous ? `${stateName(body.previous, true)} → ` : ""}${stateName(body.status, body.enabled)}${body.detail ? `: ${body.detail}` : ""}`,
  "session.qr": (body) => `A QR code to scan${body.round ? `, round ${body.round}` : ""}`,
  "session.pairing_code": () => "A code to type into the phone",
  "message.status": (body) => [`Send ${body.state ?? ""}`, body.to ? `to ${body.to}` : "", body.error ?? ""].filter(Boolean).join(" "),
  reaction: (body) => (body.emoji ? `Reacted with ${body.emoji}` : "Removed a reaction"),
  message_reaction: (body) => reactions(body),
  deleted_message: () => "Deleted a message",
  callback_query: (body) => `Pressed a button: ${body.data ?? body.callback_data ?? ""}`,
  inline_query: (body) => `Asked inline: ${body.query ?? ""}`,
  receipt: (body) => `${RECEIPTS[body.receipt] ?? "Receipt"}: ${count(body.message_ids, "message")}`,
  chat_presence: (body) => ({ typing: "Is typing", paused: "Stopped typing", recording: "Is recording" })[body.state] ?? `Presence: ${body.state ?? ""}`,
  presence: (body) => (body.state === "online" || body.online ? "Came online" : "Went offline"),
  call: (body) => `Call ${body.state ?? body.event ?? ""}`.trim(),
  picture_changed: () => "Changed the picture",
  undecryptable_message: () => "A message that cannot be read yet",
};
const RECEIPTS = { delivered: "Delivered", read: "Read", played: "Played" };
const LEFT_OUT = new Set(["sender_name", "message_id", "raw", "media", "from_me", "is_group"]);

const stateName = (status, enabled = true) => stateOf({ status, enabled, reason: "" })[0];
const count = (list, word) => (Array.isArray(list) ? `${list.length} ${word}${list.length === 1 ? "" : "s"}` : `a ${word}`);

function reactions(body) {
  const now = body.new_reaction ?? body.reactions ?? [];
  const signs = now.map((one) => one.emoji ?? one).filter((one) => typeof one === "string");
  return signs.length ? `Reacted with ${signs.join(" ")}` : body.emoji ? `Reacted with ${body.emoji}` : "Removed a reaction";
}

export function summary(event) {
  const body = event.body ?? {};
  const known = KINDS[event.type]?.(body);
  if (known) return known;
  for (const name of ["text", "caption"]) if (typeof body[name] === "string" && body[name]) return body[name];
  if (body.media) return `[${body.kind ?? "file"}${body.media.filename ? ` ${body.media.filename}` : ""}]`;
  if (typeof body.detail === "string" && body.detail) return body.detail;
  return plain(body).slice(0, 300);
}

/** `name: value` for what a body has, outermost only: `{"kind": "location", "latitude": 48.1}` → "kind: location, …". */
function plain(body) {
  return Object.entries(body)
    .filter(([name, value]) => !LEFT_OUT.has(name) && value !== null && value !== "" && value !== false)
    .map(([name, value]) => `${name.replaceAll("_", " ")}: ${brief(value)}`)
    .join(", ");
}

function brief(value) {
  if (Array.isArray(value)) return value.every((one) => typeof one !== "object") ? value.join(" ") : count(value, "entry").replace("entrys", "entries");
  if (typeof value !== "object") return String(value);
  const inner = Object.entries(value).filter(([, one]) => typeof one !== "object").slice(0, 3);
  return inner.map(([, one]) => one).join(" ") || "…";
}
