// grammY as a client of the throughput benchmark: `grammy_bot.mjs receive|echo|send URL TOKEN COUNT [options]`.
// `--runner`: updates are handled at the same time, 500 at most, by @grammyjs/runner, in order within a chat only with
// `--in-order`. Otherwise `bot.start`: one after another. Options of other clients are passed over.

import { run, sequentialize } from "@grammyjs/runner";
import { Bot } from "grammy";

const [mode, apiRoot, token, countText, ...options] = process.argv.slice(2);
const count = Number(countText);
const chats = Number(options[options.indexOf("--chats") + 1] ?? 100);
const bot = new Bot(token, { client: { apiRoot } });
const began = process.cpuUsage();

function report() {
  const used = process.cpuUsage(began);
  console.log(JSON.stringify({ done: Date.now() / 1000, cpu: (used.user + used.system) / 1e6 }));
  process.exit(0);
}

async function send() {
  const each = Math.floor(count / chats);
  const chat = async (id) => {
    for (let number = 0; number < each; number++) await bot.api.sendMessage(id, `${number}`);
  };
  await Promise.all(Array.from({ length: chats }, (_, index) => chat(index + 1)));
  report();
}

async function poll() {
  let done = 0;
  // Answers to one chat keep their order only with this, as Rookery's do; without it the runner is faster.
  if (options.includes("--in-order")) bot.use(sequentialize((ctx) => String(ctx.chat?.id)));
  bot.on("message", async (ctx) => {
    if (mode === "echo") await ctx.reply(ctx.message.text ?? "");
    if (++done === count) report();
  });
  if (options.includes("--runner")) {
    await bot.init();
    run(bot);
  } else {
    await bot.start();
  }
}

await (mode === "send" ? send() : poll());
