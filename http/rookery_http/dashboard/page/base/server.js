// Whether the server answers. Every call reports here; while it is away, actions wait instead of failing.

const listeners = new Set();
let lastSeen = null;
let lost = null;
let skew = 0; // milliseconds that the server's clock is ahead of the browser's
const SAME = 3000; // a difference below this is the time that an answer takes
const waiting = [];

export const server = {
  get away() {
    return lost !== null;
  },
  /** When it answered last, in milliseconds; null before the first answer. */
  get lastSeen() {
    return lastSeen;
  },
};

/** Call with `away` (true or false) whenever that changes; returns a function that ends it. */
export function whenServerChanges(action) {
  listeners.add(action);
  return () => listeners.delete(action);
}

/** The server's time in milliseconds, which its answers go by: the browser's clock may be wrong. */
export const now = () => Date.now() + skew;

/** An answer came; `date` is its header. */
export function answered(date) {
  lastSeen = Date.now();
  const ahead = date ? Date.parse(date) - lastSeen : Number.NaN;
  if (Math.abs(ahead - skew) > SAME) skew = Math.abs(ahead) > SAME ? ahead : 0;
  if (lost === null) return;
  lost = null;
  for (const go of waiting.splice(0)) go();
  for (const action of listeners) action(false);
}

export function silent() {
  if (lost !== null) return;
  lost = Date.now();
  for (const action of listeners) action(true);
}

/** Resolves once the server answers; at once when it does. */
export function back() {
  return lost === null ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve));
}

let onPatience = () => {};

/** What to say when an action has to wait. */
export function whenActionsWait(action) {
  onPatience = action;
}

/** Wait before something is changed, so that it is not lost on a server that is away. */
export async function patience() {
  if (lost === null) return;
  onPatience();
  await back();
}
