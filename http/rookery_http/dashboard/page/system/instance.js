// The instance that answers, its memory and disk, its siblings, and what can be done for all sessions at once.

import { get, post } from "../base/api.js";
import { ask } from "../base/dialogs.js";
import { ago, fill, h, setText, show, size } from "../base/dom.js";
import { button, every, pill, skeleton, toast, trouble } from "../base/parts.js";

const LEVELS = { ok: "good", normal: "good", warning: "attention", critical: "bad" };

export function instance() {
  const facts = h("dl");
  const memory = h("div", { class: "stack" }, skeleton(2));
  const level = pill();
  const growth = h("p", { class: "soft trend" });
  const instances = h("section", { class: "card", hidden: true });
  const refused = trouble();
  const warnings = h("ul", { class: "stack" });
  const checks = h("ul", { class: "events", "aria-label": "Results of the check" });
  let versions = null;
  let shared = false; // the database
  let others = 0; // instances that would take the sessions of this one over

  const check = button("Check all sessions now", async () => {
    const { checks: found } = await post("/v1/health/check");
    fill(checks, found.map((one) => h("li", {}, h("span", {}, one.session), checkPill(one), h("span", { class: "soft" }, one.error ?? (one.latency === null ? "" : `${Math.max(1, Math.round(one.latency * 1000))} ms`)))));
    if (!found.length) toast("No session runs here, so there was nothing to check.");
  });
  const clean = button("Stop failed sessions", async () => {
    const text = "Every session that is down and will not come back by itself is stopped. You can start each of them again.";
    if (!(await ask("Stop failed sessions?", text, "Stop them"))) return;
    const { terminated } = await post("/v1/sessions/terminate-inactive");
    toast(terminated.length ? `Stopped: ${terminated.join(", ")}.` : "No session had failed for good.");
  });
  const recover = button("Start missing sessions", async () => {
    const { started } = await post("/v1/recovery/check");
    toast(started.length ? `Started: ${started.join(", ")}.` : "Every enabled session is running already.");
  });
  const guard = button("Run the memory guard", async () => drawMemory(await post("/v1/memory/check")));
  const drain = button(
    "Drain this instance",
    async () => {
      const text = others
        ? "It hands all its sessions over to the other instances, for good: it takes none until it is started again."
        : "No other instance would take its sessions over: all of them go offline, and stay so until another instance is started or this one is started again.";
      if (!(await ask("Drain this instance?", text, others ? "Drain it" : "Take them all offline", { danger: true }))) return;
      const report = await post("/v1/drain");
      toast(`${report.handed_over} sessions ${report.others ? "were handed over" : "were stopped"} in ${report.seconds.toFixed(1)} s, ${report.left} are left.`);
      await siblings();
    },
    { kind: "risky" },
  );
  const alone = h("p", { class: "soft" });
  const rows = h("ul", { class: "events" });
  fill(instances, h("div", { class: "row between" }, h("h2", {}, "Instances"), drain), alone, rows);

  const element = h(
    "div",
    { class: "stack" },
    refused,
    warnings,
    h(
      "div",
      { class: "columns" },
      h("section", { class: "card" }, h("h2", {}, "This instance"), facts),
      h("section", { class: "card" }, h("div", { class: "row between" }, h("h2", {}, "Memory"), level), memory, growth, guard),
    ),
    instances,
    h("section", { class: "card" }, h("h2", {}, "All sessions"), h("div", { class: "row" }, check, recover, clean), checks),
  );

  async function refresh() {
    try {
      versions ??= await get("/v1/settings").catch(() => ({}));
      const [health, report, whole] = await Promise.all([get("/v1/health"), get("/v1/memory"), get("/v1/overview")]);
      refused.tell(null);
      shared = health.store.startsWith("postgres");
      drawFacts(health, whole.instances.find((one) => one.instance === health.instance));
      drawMemory(report);
    } catch (problem) {
      refused.tell(problem);
      memory.querySelector(".skeleton")?.remove();
    }
    await siblings();
  }

  function drawFacts(health, own) {
    const sessions = Object.entries(health.sessions).map(([platform, statuses]) => `${Object.values(statuses).reduce((sum, one) => sum + one, 0)} ${platform}`);
    const rows = [
      ["Name", health.instance],
      ["Running", ago(health.started_at, { prefix: "for ", suffix: "" })],
      ["State", health.ready ? "ready" : "starting or stopping"],
      ["Version", versions.version ? `Rookery ${versions.version}, Python ${versions.python}` : null],
      ["Database", versions.store ?? health.store],
      ["Clock", Math.abs(health.clock_skew) > 1 ? `${Math.abs(health.clock_skew).toFixed(1)} s ${health.clock_skew > 0 ? "ahead of" : "behind"} the database` : "agrees with the database"],
      ["Disk", own?.disk_free != null ? `${size(own.disk_free)} of ${size(own.disk_total)} free` : null],
      ["Sessions", sessions.join(", ") || "none"],
      ["Connected here", `${health.connected} of ${health.running} running`],
      ["Deliveries waiting", String(health.pending_deliveries)],
      ["Dead letters", String(health.dead_letters)],
    ].filter(([, value]) => value !== null);
    fill(facts, rows.map(([term, value]) => [h("dt", {}, term), h("dd", {}, value)]));
    fill(warnings, health.warnings.map((text) => h("li", { class: "limit" }, h("span", { class: "sign", "aria-hidden": "true" }, "▲ "), text)));
  }

  function drawMemory(report) {
    level.set(report.level, LEVELS[report.level] ?? "off");
    fill(memory, bar("All processes", report.total, report.limit, report.level), bar(`Engine (pid ${report.engine.pid})`, report.engine.unique, report.engine.limit, report.engine.level), report.workers.map((worker) => bar(`${worker.id} (pid ${worker.pid}): ${worker.sessions.join(", ") || "idle"}`, worker.unique, worker.limit, worker.level)));
    setText(growth, report.growth === null ? "The trend appears after a while." : `Trend: ${report.growth < 0 ? "−" : "+"}${size(Math.abs(report.growth))} an hour.`);
  }

  async function siblings() {
    let found;
    try {
      found = (await get("/v1/instances")).instances;
    } catch {
      return;
    }
    others = found.filter((one) => !one.answering && !one.draining).length;
    show(instances, true);
    show(drain, shared);
    show(alone, found.length < 2);
    setText(
      alone,
      shared
        ? "This is the only instance. Start a second one on the same database before this one is drained, and its sessions move without a break."
        : "This is the only instance: its database cannot be shared, so there is nothing to drain to. Stop the server instead; it disconnects its sessions in order, and they connect again when it is started.",
    );
    fill(rows, found.map((one) => h("li", {}, h("div", {}, h("strong", {}, one.name), h("p", { class: "soft" }, describe(one), ", ", ago(one.started_at, { prefix: "up for ", suffix: "" }))), pill(one.draining ? "handing over" : "takes sessions", one.draining ? "attention" : "good"))));
  }

  return { element, leave: every(3000, refresh) };
}

function describe(found) {
  const most = found.capacity === null ? "" : ` of at most ${found.capacity}`;
  return `${found.answering ? "this one, " : ""}${found.sessions}${most} sessions`;
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
