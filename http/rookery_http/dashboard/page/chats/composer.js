// Writing: a text, a file, an answer, another text in place of one that was sent.

import { key, upload } from "../base/api.js";
import { fill, h, show } from "../base/dom.js";
import { button, run } from "../base/parts.js";
import { words } from "./bubble.js";

const drafts = new Map(); // by session and chat, until the page is left or another key is used
let owner = null; // the key with which they were written
const KIND = { image: "image", video: "video", audio: "audio" };

/** `deliver(body)` sends; `sent()` follows once the server has it. What was begun in a chat is there again when it is opened again. */
export function composer(session, chat, { deliver, sent }) {
  const draft = JSON.stringify([session, chat]);
  const mine = key.get();
  if (mine !== owner) drafts.clear();
  owner = mine;
  let answering = null;
  let editing = null;
  let file = null;

  const error = h("p", { class: "error", role: "alert", hidden: true });
  const text = h("textarea", { rows: "2", spellcheck: "true", "aria-label": "Message", placeholder: "Write a message", value: drafts.get(draft) ?? "", oninput: keep });
  const send = h("button", { type: "submit", class: "primary" }, "Send");
  const note = h("div", { class: "row between note", hidden: true });
  const picker = h("input", { type: "file", hidden: true, "aria-label": "File to send", onchange: () => attach(picker.files[0] ?? null) });
  const attachButton = button("Attach a file", () => picker.click(), { kind: "plain" });
  const form = h("form", { class: "write", novalidate: true }, note, text, error, h("div", { class: "row between" }, attachButton, picker, send));

  function describe() {
    const parts = [answering ? `Reply to: ${words(answering).slice(0, 80)}` : null, editing ? "Editing your message" : null, file ? `File: ${file.name}` : null].filter(Boolean);
    show(note, parts.length > 0);
    show(attachButton, editing === null);
    const about = parts.join(" · ");
    fill(note, h("span", { class: "clip soft", title: about }, about), button("Cancel", () => {
      clear();
      text.focus();
    }, { kind: "plain small" }));
  }

  function keep() {
    if (editing || mine !== owner) return;
    if (text.value) drafts.set(draft, text.value);
    else drafts.delete(draft);
  }

  /** The chat was left while this was sent: what is kept of it was typed before or after it. */
  function forget(sent) {
    if (mine !== owner) return;
    const rest = drafts.get(draft) ?? "";
    if (rest === sent) drafts.delete(draft);
    else if (rest.startsWith(sent)) drafts.set(draft, rest.slice(sent.length));
  }

  function clear() {
    if (editing) text.value = drafts.get(draft) ?? "";
    [answering, editing, file] = [null, null, null];
    picker.value = "";
    describe();
  }

  function attach(chosen) {
    file = chosen;
    describe();
    text.focus();
  }

  async function bodyOf(written) {
    if (editing) return { type: "edit", message_id: editing.message_id, text: written };
    const body = answering?.message_id ? { reply_to: answering.message_id } : {};
    const chosen = file; // another one may be chosen during the upload
    if (!chosen) return { ...body, type: "text", text: written };
    const stored = await upload("/v1/media", chosen, { session, filename: chosen.name });
    return { ...body, type: KIND[chosen.type.split("/")[0]] ?? "document", media: stored.id, ...(written ? { caption: written } : {}) };
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    run(send, async () => {
      show(error, false);
      const before = text.value;
      const edited = editing;
      const written = before.trim();
      if (!written && (editing || !file)) return text.focus();
      if (!editing) drafts.delete(draft);
      try {
        await deliver(await bodyOf(written));
        if (!edited && !editing && text.value.startsWith(before)) text.value = text.value.slice(before.length); // more may have been typed meanwhile
        if (form.isConnected) keep();
        else if (!edited) forget(before);
        clear();
        await sent();
      } catch (problem) {
        if (edited || (form.isConnected && !editing)) keep();
        else if (mine === owner && !drafts.has(draft)) drafts.set(draft, before);
        error.textContent = problem.message;
        show(error, true);
      }
      return text.focus();
    });
  });
  text.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      form.requestSubmit();
    }
  });
  text.addEventListener("paste", (event) => {
    const [pasted] = event.clipboardData?.files ?? [];
    if (pasted && !editing) attach(pasted);
  });
  form.addEventListener("dragover", (event) => event.preventDefault());
  form.addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files[0] && !editing) attach(event.dataTransfer.files[0]);
  });

  return {
    element: form,
    focus: () => text.focus(),
    /** Leave an answer, an edit or a file out; false when there was none. */
    dismiss() {
      const open = Boolean(answering || editing || file);
      if (open) clear();
      return open;
    },
    answer(message) {
      [answering, editing] = [message, null];
      describe();
      text.focus();
    },
    edit(message) {
      [answering, editing, file] = [null, message, null];
      text.value = message.text ?? "";
      describe();
      text.focus();
    },
  };
}
