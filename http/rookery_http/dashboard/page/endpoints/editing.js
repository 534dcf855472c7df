// Creating and changing a webhook or a sink.

import { Problem, call, path, post } from "../base/api.js";
import { field, form, shownOnce, tick } from "../base/dialogs.js";
import { copy } from "../base/parts.js";
import { typePicker } from "./types.js";

const FORMATS = [
  ["rookery", "Rookery's own"],
  ["cloudevents", "CloudEvents 1.0"],
  ["waha", "as WAHA sends it"],
  ["evolution", "as Evolution API sends it"],
];
const BROKERS = "nats://host:4222, amqp://host:5672 or redis://host:6379; encrypted: tls://, amqps://, rediss://.";

/** What both kinds have. */
function common(row) {
  const session = field("session", "Only events of this session (optional)", { placeholder: "all sessions", value: row?.session ?? "" });
  const chats = field("chats", "Only these chats (optional)", { placeholder: "all chats", value: row?.chats?.join(", ") ?? "", hint: "Ids or phone numbers, separated by commas." });
  const timeout = field("timeout", "Seconds to wait for an answer (optional)", { type: "number", min: "0", step: "any", inputmode: "decimal", placeholder: "server default", value: row?.timeout ?? "" });
  return { session, chats, timeout, events: typePicker(row?.events ?? null) };
}

function bodyOf(values, row) {
  const chats = values.chats.split(",").map((one) => one.trim()).filter(Boolean);
  const body = { url: values.url, events: values.events, chats: chats.length ? chats : null, timeout: values.timeout ? Number(values.timeout) : null };
  if (body.events?.length === 0) throw new Problem(0, "Tick at least one type, or take every type.", { field: "events" });
  if (row && values.url === row.url) delete body.url; // a password in it is not shown: leave it as it is
  if (values.session !== (row?.session ?? "")) body.session = values.session || null;
  return body;
}

export function editWebhook(row, done) {
  const url = field("url", "Address", { type: "url", placeholder: "https://example.org/rookery", inputmode: "url", value: row?.url ?? "" });
  const shared = common(row);
  const headers = field("headers", "Headers (optional)", { rows: "2", placeholder: "Authorization: Bearer of-your-endpoint", hint: row && Object.keys(row.headers).length ? `One per line. Set now: ${Object.keys(row.headers).join(", ")}. Leave this empty to keep them.` : "One per line, sent with each delivery." });
  const format = field("format", "Format of the body", { choices: FORMATS, value: row?.format ?? "rookery" });
  const replies = tick("replies", "Its answers may contain messages to send", { checked: row?.replies });
  const dialog = form({
    kind: "form wide",
    title: row ? "Change the webhook" : "Add a webhook",
    intro: row ? null : "Deliveries are signed as Standard Webhooks describes. The secret is shown once, in the next step.",
    fields: [url, shared.session, shared.events, shared.chats, headers, format, shared.timeout, replies],
    verb: row ? "Save" : "Add",
    async submit(values) {
      const body = { ...bodyOf(values, row), format: values.format, replies: values.replies };
      const given = headersOf(values.headers);
      if (given) body.headers = given;
      const made = row ? await call("PATCH", path("webhooks", row.id), { body }) : await post(path("webhooks"), body);
      await done();
      if (!row) secret(made);
    },
  });
  url.input.focus();
  return dialog;
}

function headersOf(text) {
  const lines = text.split("\n").map((line) => line.trim()).filter(Boolean);
  if (!lines.length) return null;
  return Object.fromEntries(
    lines.map((line) => {
      const colon = line.indexOf(":");
      if (colon < 1) throw new Problem(0, `“${line}” has no colon: write Name: value.`, { field: "headers" });
      return [line.slice(0, colon).trim(), line.slice(colon + 1).trim()];
    }),
  );
}

export function editSink(row, done) {
  const url = field("url", "Broker", { placeholder: "nats://127.0.0.1:4222", value: row?.url ?? "", hint: BROKERS });
  const target = field("target", "Subject, routing key or stream", { value: row?.target ?? "rookery.{session}.{type}", hint: "{session}, {type}, {platform} and {chat} are filled in." });
  const shared = common(row);
  const dialog = form({
    kind: "form wide",
    title: row ? "Change the sink" : "Add a sink",
    intro: row ? null : "A sink carries the log into a message broker, in order, each event once it is confirmed.",
    fields: [url, target, shared.session, shared.events, shared.chats, shared.timeout],
    verb: row ? "Save" : "Add",
    async submit(values) {
      const body = { ...bodyOf(values, row), target: values.target };
      if (row) await call("PATCH", path("sinks", row.id), { body });
      else await post(path("sinks"), body);
      await done();
    },
  });
  url.input.focus();
  return dialog;
}

/** The secret of a webhook, this once. */
export function secret(webhook) {
  shownOnce("Keep this secret", "Your program checks signatures with it. It is not shown again.", webhook.secret, { label: "Secret", copied: "The secret is copied.", onCopy: copy });
}
