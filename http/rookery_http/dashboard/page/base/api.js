// Calls of the HTTP API. The key lives in sessionStorage only: it is gone with the tab, and never part of an address.

import { answered, patience, silent } from "./server.js";

const KEY = "rookery-key";
const GATEWAY = new Set([502, 503, 504]); // of a proxy whose server is away
const ROOT = new URL(".", document.baseURI); // also right behind a proxy that adds a path

let onUnauthorized = () => {};

export const key = {
  get: () => sessionStorage.getItem(KEY),
  set(value) {
    globalThis.asked = null; // that was asked with another key
    sessionStorage.setItem(KEY, value);
  },
  forget: () => sessionStorage.removeItem(KEY),
};

/** What to do when the server no longer takes the key. */
export function whenUnauthorized(action) {
  onUnauthorized = action;
}

/** A refusal or failure, with the sentence that the server gave. */
export class Problem extends Error {
  constructor(status, detail, { title = "", field = null } = {}) {
    super(detail);
    this.status = status;
    this.title = title;
    this.field = field;
  }
}

export function headers(more = {}) {
  const all = { ...more };
  if (key.get()) all.Authorization = `Bearer ${key.get()}`;
  return all;
}

async function problemOf(answer) {
  let document = {};
  try {
    document = await answer.json();
  } catch {
    // not ours: a proxy's page, perhaps
  }
  let detail = document.detail || `The server answered ${answer.status} ${answer.statusText}`;
  if (document.field && detail.startsWith(`${document.field}: `)) detail = detail.slice(document.field.length + 2); // the field is marked
  return new Problem(answer.status, sentence(detail), document);
}

/** With a capital letter, unless it begins with an address or a host, and a full stop. */
export function sentence(text) {
  const trimmed = String(text).trim();
  if (!trimmed) return "";
  const capital = /^[\w-]+(?:\.\w|:\/\/)/.test(trimmed) ? trimmed : trimmed[0].toUpperCase() + trimmed.slice(1);
  return /[.!?…]$/.test(capital) ? capital : `${capital}.`;
}

/** What before.js has asked for already, once; null when it asked for something else. */
function asked(path) {
  const early = globalThis.asked;
  if (early?.address !== path) return null;
  globalThis.asked = null;
  return early.answer;
}

export async function request(path, options) {
  const used = key.get();
  let answer;
  try {
    answer = await (asked(path) ?? fetch(new URL(path.slice(1), ROOT), { credentials: "omit", cache: "no-store", ...options }));
  } catch (error) {
    if (error.name === "AbortError") throw error;
    silent();
    throw new Problem(0, "The server does not answer. Is it running, and is the network there?");
  }
  if (GATEWAY.has(answer.status) && !answer.headers.get("content-type")?.includes("problem")) silent();
  else answered(answer.headers.get("date"));
  if (answer.ok) return answer;
  const problem = await problemOf(answer);
  if (answer.status === 401 && used === key.get()) onUnauthorized(problem); // else: another key was given meanwhile
  throw problem;
}

/** A call; returns the document. `query` leaves out what is empty. */
export async function call(method, path, { body, query = {}, more = {} } = {}) {
  const filled = Object.entries(query).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  const search = filled.length ? `?${new URLSearchParams(filled)}` : "";
  const json = body === undefined ? {} : { "Content-Type": "application/json" };
  const options = { method, headers: headers({ ...json, ...more }) };
  if (body !== undefined) options.body = JSON.stringify(body);
  if (method !== "GET") await patience();
  return (await request(path + search, options)).json();
}

export const get = (path, query) => call("GET", path, { query });
export const post = (path, body, more) => call("POST", path, { body, ...more });

/** What all pages of a list hold under `name`, up to `most`. */
export async function everyPage(address, name, { most = 5000, ...query } = {}) {
  const found = [];
  let after = null;
  do {
    const page = await get(address, { limit: 500, ...query, after });
    found.push(...page[name]);
    after = page.next;
  } while (after !== null && found.length < most);
  return found;
}

/** A picture as an address that only this page can use; to be revoked by the caller. */
export async function picture(path, type) {
  const answer = await request(path, { headers: headers({ Accept: type }) });
  return URL.createObjectURL(await answer.blob());
}

/** Let the browser save a file as `name`; without an ending it gets that of its type. */
export async function save(path, name) {
  const answer = await request(path, { headers: headers() });
  const blob = await answer.blob();
  const ending = blob.type.match(/^(?:image|video|audio|text|application)\/([a-z0-9]{2,5})\b/)?.[1];
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name.includes(".") || !ending ? name : `${name}.${ending === "plain" ? "txt" : ending}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** Store a file; returns its document. */
export async function upload(address, file, query) {
  const search = new URLSearchParams(Object.entries(query).filter(([, value]) => value));
  const options = { method: "POST", headers: headers({ "Content-Type": file.type || "application/octet-stream" }), body: file };
  return (await request(`${address}?${search}`, options)).json();
}

export const path = (...parts) => `/v1/${parts.map(encodeURIComponent).join("/")}`;
