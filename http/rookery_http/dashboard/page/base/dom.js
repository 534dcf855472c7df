// The only place where elements are made. Whatever comes from outside becomes text: there is no innerHTML anywhere.

import { now } from "./server.js";

/** An element. `on...` properties are listeners, true and false switch attributes; children are nodes, text, or nothing. */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value") element.value = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  append(element, children);
  return element;
}

function append(element, children) {
  for (const child of children.flat(9)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : String(child));
  }
}

/** Replace what is in an element. */
export function fill(element, ...children) {
  element.replaceChildren();
  append(element, children);
  return element;
}

/** Change text only when it differs, so that selections and screen readers are left alone. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Make `parent` hold one element for each item, in this order; elements are kept by key and updated
 * in place, and leave when their item has gone. */
export function keyed(parent, items, keyOf, create) {
  const known = (parent.keyedElements ??= new Map());
  const seen = new Set();
  let place = parent.firstChild;
  for (const item of items) {
    const key = keyOf(item);
    seen.add(key);
    let entry = known.get(key);
    if (!entry) {
      entry = create(item);
      known.set(key, entry);
    }
    entry.update?.(item);
    if (entry.element === place) place = place.nextSibling;
    else parent.insertBefore(entry.element, place);
  }
  for (const [key, entry] of known) {
    if (!seen.has(key)) {
      entry.leave?.();
      entry.element.remove();
      known.delete(key);
    }
  }
}

/** Show an element or not. */
export function show(element, visible) {
  if (element.hidden === visible) element.hidden = !visible;
}

/** A time that keeps itself up to date: "3 min ago". */
export function ago(iso, { prefix = "", suffix = " ago", none = "never" } = {}) {
  const element = h("time");
  element.words = { prefix, suffix, none };
  setTime(element, iso);
  return element;
}

/** Give such an element another time; null means it did not happen. */
export function setTime(element, iso) {
  const moment = iso ?? "";
  if (element.dataset.at !== moment) {
    element.dataset.at = moment;
    element.dateTime = moment;
    element.title = moment ? when(moment) : "";
  }
  tick(element, now());
}

function tick(element, moment) {
  const { at } = element.dataset;
  const { prefix, suffix, none } = element.words;
  if (!at) return setText(element, none);
  const seconds = (moment - Date.parse(at)) / 1000;
  const text = seconds < 0 ? `${prefix}in ${span(-seconds)}` : `${prefix}${span(seconds)}${suffix}`;
  return setText(element, text);
}

export function span(seconds) {
  if (seconds < 1) return "a moment";
  if (seconds < 100) return `${Math.round(seconds)} s`;
  if (seconds < 6000) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} days`;
}

setInterval(() => {
  const moment = now();
  for (const element of document.querySelectorAll("time[data-at]")) tick(element, moment);
}, 1000);

// Made once: making one takes longer than using it a hundred times.
const CLOCK = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const WHEN = new Intl.DateTimeFormat([], { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });

/** The clock time of an event, in the reader's zone. */
export function clock(iso) {
  return CLOCK.format(new Date(iso));
}

/** Date and time of an event, in the reader's zone. */
export function when(iso) {
  return WHEN.format(new Date(iso));
}

/** A text in which the moments that the server wrote are in the reader's zone, as all others on the page. */
export function localised(text) {
  return text.replaceAll(/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)/g, when);
}

/** Bytes for people. */
export function size(bytes) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (Math.abs(value) >= 1000 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 || Math.abs(value) >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}
