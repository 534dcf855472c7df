// Whether the server answers. Every call reports here; while it is away, actions wait instead of failing.

const listeners = new Set();
let lastSeen = null;
let lost = null;
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

export function answered() {
  lastSeen = Date.now();
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
