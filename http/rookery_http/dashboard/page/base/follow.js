// The event log, live.

import { Problem, headers, request } from "./api.js";

/**
 * Follow the event log until the returned function is called. EventSource cannot send a key, hence fetch.
 * After a break it goes on behind the last event, so nothing is missed.
 */
export function follow(query, onEvents, onState) {
  const stop = new AbortController();
  let last = null;
  let pause = 500;

  async function once() {
    const parameters = Object.entries(query).filter(([name, value]) => value && !(last !== null && name === "last"));
    const address = `/v1/events/stream?${new URLSearchParams(parameters)}`;
    const resume = last === null ? {} : { "Last-Event-ID": String(last) };
    const answer = await request(address, { headers: headers(resume), signal: stop.signal });
    onState("live");
    pause = 500;
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    while (true) {
      const { value, done } = await reader.read();
      if (done) return;
      const blocks = (text + value).split("\n\n");
      text = blocks.pop();
      const found = blocks.map(eventOf).filter(Boolean);
      if (found.length) {
        last = found.at(-1).id;
        onEvents(found);
      }
    }
  }

  async function forever() {
    while (!stop.signal.aborted) {
      try {
        await once();
      } catch (error) {
        if (stop.signal.aborted) return;
        if (error instanceof Problem && error.status >= 400 && error.status < 500) return onState("refused", error);
      }
      if (stop.signal.aborted) return;
      onState("waiting");
      await new Promise((resolve) => setTimeout(resolve, pause));
      pause = Math.min(pause * 2, 8000);
    }
  }

  onState("waiting");
  forever();
  return () => stop.abort();
}

function eventOf(block) {
  const line = block.split("\n").find((one) => one.startsWith("data: "));
  return line ? JSON.parse(line.slice(6)) : null;
}
