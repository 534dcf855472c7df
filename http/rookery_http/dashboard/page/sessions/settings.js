// Changing a session: its name, and the settings that its platform knows, as the description of the API lists them.

import { Problem, call, get, path, sentence } from "../base/api.js";
import { field, form, tick } from "../base/dialogs.js";
import { toast } from "../base/parts.js";

const HIDDEN = "***";
let description = null;

const titled = (name) => `${name[0].toUpperCase()}${name.slice(1)}`.replaceAll("_", " ");

/** What the description says of each setting, as sentences: "`proxy`: …. `takeover`: …." */
function meanings(schema) {
  const found = (schema.description ?? "").replaceAll(/\s+/g, " ").matchAll(/`(\w+)`: (.*?)(?=\s*`\w+`: |$)/g);
  return Object.fromEntries([...found].map(([, name, text]) => [name, sentence(text.replaceAll("`", ""))]));
}

/** Fields for the properties of a platform's schema. */
function settingFields(schema, settings) {
  const about = meanings(schema);
  return Object.entries(schema.properties).map(([name, shape]) => {
    const now = settings[name];
    const kinds = shape.anyOf ?? [shape];
    const main = kinds.find((one) => one.type !== "null") ?? {};
    const default_ = shape.default ?? null;
    if (main.type === "boolean") return { ...tick(name, titled(name), { checked: now ?? default_, hint: about[name] }), default_ };
    if (main.enum) {
      const choices = main.enum.map((one) => [one, one]);
      if (kinds.length > 1) choices.unshift(["", "not set"]);
      return { ...field(name, titled(name), { choices, value: now ?? default_ ?? "", hint: about[name] }), default_, nullable: true };
    }
    if (main.type === "array") {
      const shown = { ...field(name, titled(name), { rows: "3", value: (now ?? []).join(", "), placeholder: "all", hint: `${about[name] ?? ""} Separated by commas; empty: all.`.trim() }), default_ };
      return { ...shown, value: () => shown.input.value.split(",").map((one) => one.trim()).filter(Boolean), list: true };
    }
    if (main.type === "number" || main.type === "integer") {
      const shown = { ...field(name, titled(name), { type: "number", min: "0", step: "any", inputmode: "decimal", value: now ?? "", placeholder: default_ === null ? "server default" : String(default_), hint: about[name] }), default_ };
      return { ...shown, value: () => (shown.input.value === "" ? "" : Number(shown.input.value)) };
    }
    const hint = String(now ?? "").includes(HIDDEN) ? "The password is hidden: enter the whole address again to keep it, or clear the field." : about[name];
    return { ...field(name, titled(name), { value: now ?? "", hint }), default_ };
  });
}

/** The document to store: what differs from the defaults, and what is there without being known here. */
function settingsOf(fields, values, before, schema) {
  const settings = Object.fromEntries(Object.entries(before).filter(([name]) => !(name in schema.properties)));
  for (const { name, default_, list } of fields) {
    const value = values[name];
    if (typeof value === "string" && value.includes(HIDDEN)) throw new Problem(0, "The password is hidden here: enter the whole address again, or clear the field.", { field: name });
    const unset = value === "" || (list && value.length === 0);
    if (!unset && value !== default_) settings[name] = value;
  }
  return settings;
}

/** For a platform that the description does not know. */
function editDocument(row, done) {
  const name = field("name", "Name", { value: row.name, maxlength: "256" });
  const settings = field("settings", "Settings", { rows: "8", value: JSON.stringify(row.settings, null, 2), class: "mono", hint: "A JSON document." });
  form({
    title: `Settings of ${row.name || row.id}`,
    fields: [name, settings],
    verb: "Save",
    async submit(values) {
      const body = { name: values.name };
      try {
        body.settings = JSON.parse(values.settings || "{}");
      } catch (error) {
        throw new Problem(0, `This is not JSON: ${error.message}.`, { field: "settings" });
      }
      if (values.settings.includes(HIDDEN)) throw new Problem(0, "A secret is hidden here: enter it again, or remove its name.", { field: "settings" });
      await call("PATCH", path("sessions", row.id), { body });
      await done();
    },
  });
}

export async function editSession(row, done) {
  description ??= await get("/openapi.json");
  const schema = description.components.schemas[`${titled(row.platform)}Settings`];
  if (!schema) return editDocument(row, done);
  const name = field("name", "Name", { value: row.name, maxlength: "256" });
  const fields = settingFields(schema, row.settings);
  form({
    kind: "form wide",
    title: `Settings of ${row.name || row.id}`,
    intro: "A change replaces the connection with a new one; no message is lost.",
    fields: [name, ...fields],
    verb: "Save",
    async submit(values) {
      const body = { name: values.name };
      const settings = settingsOf(fields, values, row.settings, schema);
      if (JSON.stringify(settings) !== JSON.stringify(row.settings)) body.settings = settings;
      await call("PATCH", path("sessions", row.id), { body });
      toast("The settings are saved.");
      await done();
    },
  });
}
