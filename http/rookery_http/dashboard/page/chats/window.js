// A long list in which only what is near the eye exists as elements. The newest stands at the bottom, where the list begins.

import { fill, h, keyed } from "../base/dom.js";

const MOST = 120; // elements at a time
const STEP = 30;
const NEAR = 600; // pixels before an end at which more is brought in
const GUESS = 64; // pixels of a message that was never seen
const GAP = 6;

/**
 * `scroll` gets the list and two spaces that stand for what is left out. `make(message)` builds an element, `keyOf(message)`
 * names it, `needOlder()` is called near the oldest one, `onMove(atNewest)` after each move.
 */
export function windowed(scroll, label, { make, keyOf, needOlder, onMove }) {
  const list = h("ol", { class: "bubbles", "aria-label": label, tabindex: "0" });
  const [below, above] = [h("div", { class: "space", "aria-hidden": "true" }), h("div", { class: "space", "aria-hidden": "true" })];
  const heights = new Map();
  let all = []; // newest first
  let first = 0; // of those that exist as elements
  let busy = false;

  const heightOf = (messages) => messages.reduce((sum, message) => sum + (heights.get(keyOf(message)) ?? GUESS) + GAP, 0);
  const atNewest = () => first === 0 && scroll.scrollTop > -40;

  /** Do something with the elements, and leave the message that is read where it is. */
  function steadily(action) {
    const top = scroll.getBoundingClientRect().top;
    const anchor = atNewest() ? null : [...list.children].find((one) => one.getBoundingClientRect().top < top + scroll.clientHeight && one.getBoundingClientRect().bottom > top);
    const before = anchor?.getBoundingClientRect().top;
    action();
    if (anchor?.isConnected) scroll.scrollTop += anchor.getBoundingClientRect().top - before;
  }

  function draw() {
    for (const element of list.children) if (element.offsetHeight) heights.set(element.dataset.key, element.offsetHeight);
    first = Math.max(0, Math.min(first, all.length - MOST));
    const shown = all.slice(first, first + MOST);
    keyed(list, shown, keyOf, (message) => {
      const made = make(message);
      made.element.dataset.key = keyOf(message);
      return made;
    });
    below.style.blockSize = `${heightOf(all.slice(0, first))}px`;
    above.style.blockSize = `${heightOf(all.slice(first + MOST))}px`;
  }

  /** Bring in what came near the eye, and go on until nothing more has to move. */
  function move() {
    if (busy) return;
    busy = true;
    requestAnimationFrame(() => {
      busy = false;
      if (!scroll.isConnected) return;
      const view = scroll.getBoundingClientRect();
      const box = list.getBoundingClientRect();
      const [up, down] = [box.top - view.top + NEAR, view.bottom + NEAR - box.bottom];
      const shift = (pixels) => Math.max(STEP, Math.ceil(pixels / (GUESS + GAP)));
      const before = first;
      if (up > 0 && first + MOST < all.length) first += shift(up);
      else if (down > 0 && first > 0) first -= shift(down);
      first = Math.max(0, Math.min(first, all.length - MOST));
      if (first !== before) {
        steadily(draw);
        move();
      } else if (first + MOST >= all.length && scroll.scrollHeight - scroll.clientHeight + scroll.scrollTop < NEAR) needOlder();
      onMove(atNewest());
    });
  }

  scroll.addEventListener("scroll", move, { passive: true });
  fill(scroll, below, list, above);
  return {
    list,
    move,
    get atNewest() {
      return atNewest();
    },
    /** The messages that exist as elements. */
    get shown() {
      return all.slice(first, first + MOST);
    },
    /** Take another state of the whole list, newest first; `fresh` of them are newer than any before. */
    set(messages, fresh) {
      steadily(() => {
        all = messages;
        if (first > 0) first += fresh;
        draw();
      });
    },
    /** Bring a message of the list before the eye, and mark it for a moment. */
    reveal(key) {
      first = all.findIndex((message) => keyOf(message) === key) - MOST / 2;
      draw();
      const element = [...list.children].find((one) => one.dataset.key === key);
      element.scrollIntoView({ block: "center" });
      element.classList.add("revealed");
      setTimeout(() => element.classList.remove("revealed"), 2500);
      onMove(atNewest());
    },
    toNewest() {
      first = 0;
      draw();
      scroll.scrollTop = 0;
      onMove(true);
    },
  };
}
