// Which sessions are shown, in which order, under which headings.

import { actionOf, needsSomebody, platform, stateOf } from "../base/words.js";

const TONES = { attention: 0, bad: 1, busy: 2, good: 3, off: 4 };
const { compare } = new Intl.Collator();
const byText = (of) => (a, b) => compare(of(a), of(b));

export const ORDERS = {
  need: ["Urgent first", (a, b) => needsSomebody(b) - needsSomebody(a)],
  name: ["Name", byText((row) => row.name || row.id)],
  state: ["State", (a, b) => TONES[stateOf(a)[1]] - TONES[stateOf(b)[1]]],
  platform: ["Platform", byText((row) => row.platform)],
  detail: ["Why", byText((row) => actionOf(row) || row.detail || row.reason)],
  since: ["Latest change", (a, b) => Date.parse(b.since) - Date.parse(a.since)],
  instance: ["Instance", byText((row) => row.owner ?? "~")],
};

/** What each choice is called, the heading of a row, and which heading comes first unless they go by the alphabet. */
export const HEADINGS = {
  none: ["Not grouped", null],
  state: ["By state", (row) => stateOf(row)[0], (a, b) => TONES[stateOf(a)[1]] - TONES[stateOf(b)[1]]],
  platform: ["By platform", (row) => platform(row.platform)],
  instance: ["By instance", (row) => row.owner ?? "Not running"],
};

/** The rows for which `fits` is true and that have the text, ordered, and turned round with `down`. */
export function arranged(rows, { fits, text, order, down, heading }) {
  const wanted = text.toLowerCase();
  const found = rows
    .filter(fits)
    .filter((row) => !wanted || `${row.id} ${row.name} ${row.platform} ${row.reason} ${row.owner ?? ""}`.toLowerCase().includes(wanted))
    .sort(ORDERS[order][1]);
  if (down) found.reverse();
  const [, of, first = () => 0] = HEADINGS[heading];
  return of === null ? found : found.sort((a, b) => first(a, b) || compare(of(a), of(b)));
}

/** Rows with a heading before each group: what `keyed` makes elements for. */
export function withHeadings(rows, heading) {
  const of = HEADINGS[heading][1];
  if (of === null) return rows;
  const counts = new Map();
  for (const row of rows) counts.set(of(row), (counts.get(of(row)) ?? 0) + 1);
  let last = null;
  return rows.flatMap((row) => {
    const title = of(row);
    if (title === last) return [row];
    last = title;
    return [{ heading: title, count: counts.get(title) }, row];
  });
}
