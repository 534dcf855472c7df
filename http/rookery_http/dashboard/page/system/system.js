// The instance, its memory, its siblings, and what can be done for all sessions at once.

import { get, post } from "../base/api.js";
import { ago, fill, h, setText, show, size } from "../base/dom.js";
import { keys } from "./keys.js";
import { ask, button, every, pill, toast } from "../base/parts.js";

const LEVELS = { ok: "good", normal: "good", warning: "attention", critical: "bad" };

export function system(main) {
  const facts = h("dl");
  const memory = h("div", { class: "stack" });
  const level = pill();
  const growth = h("p", { class: "soft" });
  const instances = h("section", { class: "card" });
  const trouble = h("p", { class: "error", role: "alert", hidden: true });
  const checks = h("ul", { class: "events", "aria-label": "Results of the check" });

  const check = button("Check all sessions now", async () => {
    const { checks: found } = await post("/v1/health/check");
    fill(checks, found.map((one) => h("li", {}, h("span", {}, one.session), checkPill(one), h("span", { class: "soft" }, one.error ?? (one.latency === null ? "" : `${Math.max(1, Math.round(one.latency * 1000))} ms`)))));
    if (!found.length) toast("No session runs here, so there was nothing to check.");
  });
  const clean = button("Stop what has given up", async () => {
    const text = "Every session that is down and would not come back by itself is stopped. You can start each of them again.";
    if (!(await ask("Stop what has given up?", text, "Stop them"))) return;
    const { terminated } = await post("/v1/sessions/terminate-inactive");
    toast(terminated.length ? `Stopped: ${terminated.join(", ")}.` : "Nothing had given up.");
  });

  show(instances, false);
  fill(
    main,
    h("h1", {}, "System"),
    trouble,
    h(
      "div",
      { class: "columns" },
      h("section", { class: "card" }, h("h2", {}, "This instance"), facts),
      h("section", { class: "card" }, h("div", { class: "row between" }, h("h2", {}, "Memory"), level), memory, growth),
    ),
    instances,
    h("section", { class: "card" }, h("h2", {}, "All sessions"), h("div", { class: "row" }, check, clean), checks),
    keys().element,
  );

  async function refresh() {
    try {
      const [health, report] = await Promise.all([get("/v1/health"), get("/v1/memory")]);
      show(trouble, false);
      drawFacts(health);
      drawMemory(report);
    } catch (problem) {
      trouble.textContent = problem.message;
      show(trouble, problem.status !== 401);
    }
    await siblings();
  }

  function drawFacts(health) {
    const sessions = Object.entries(health.sessions).map(([platform, statuses]) => `${Object.values(statuses).reduce((sum, one) => sum + one, 0)} ${platform}`);
    const rows = [
      ["Name", health.instance],
      ["Running", ago(health.started_at, { prefix: "for ", suffix: "" })],
      ["State", health.ready ? "ready" : "starting or stopping"],
      ["Store", health.store],
      ["Sessions", sessions.join(", ") || "none"],
      ["Connected here", `${health.connected} of ${health.running} running`],
      ["Deliveries waiting", String(health.pending_deliveries)],
      ["Dead letters", String(health.dead_letters)],
    ];
    fill(facts, rows.map(([term, value]) => [h("dt", {}, term), h("dd", {}, value)]));
  }

  function drawMemory(report) {
    level.set(report.level, LEVELS[report.level] ?? "off");
    fill(memory, bar("Everything", report.total, report.limit, report.level), bar(`Engine (pid ${report.engine.pid})`, report.engine.unique, report.engine.limit, report.engine.level), report.workers.map((worker) => bar(`${worker.id} (pid ${worker.pid}): ${worker.sessions.join(", ") || "idle"}`, worker.unique, worker.limit, worker.level)));
    setText(growth, report.growth === null ? "The trend is known after a while." : `Trend: ${report.growth < 0 ? "−" : "+"}${size(Math.abs(report.growth))} an hour.`);
  }

  // Only a server that shares its store with others knows instances.
  async function siblings() {
    let found;
    try {
      found = (await get("/v1/instances")).instances;
    } catch {
      return;
    }
    show(instances, found.length > 1);
    fill(
      instances,
      h("h2", {}, "Instances"),
      h("ul", { class: "events" }, found.map((one) => h("li", {}, h("div", {}, h("strong", {}, one.name), h("p", { class: "soft" }, describe(one), ", ", ago(one.started_at, { prefix: "for ", suffix: "" }))), pill(one.draining ? "handing over" : "takes sessions", one.draining ? "attention" : "good")))),
    );
  }

  return { leave: every(3000, refresh) };
}

function describe(instance) {
  const most = instance.capacity === null ? "" : ` of at most ${instance.capacity}`;
  return `${instance.answering ? "this one, " : ""}${instance.sessions}${most} sessions`;
}

function checkPill(one) {
  if (one.ok === null) return pill("nothing to ask", "off");
  return one.ok ? pill("answers", "good") : pill("does not answer", "bad");
}

function bar(label, used, limit, level) {
  const meter = h("meter", { min: "0", max: String(limit || used || 1), low: String((limit || used) * 0.8), high: String((limit || used) * 0.95), optimum: "0", value: used, "aria-label": label });
  meter.value = used;
  return h("div", { class: "bar-row", "data-level": level }, h("div", { class: "row between" }, h("span", { class: "clip" }, label), h("span", { class: "mono" }, limit ? `${size(used)} of ${size(limit)}` : size(used))), meter);
}
