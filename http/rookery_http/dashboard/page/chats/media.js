// Files of messages: pictures in their place, sounds and films to play there, everything else to save.

import { picture, save } from "../base/api.js";
import { fill, h, size } from "../base/dom.js";
import { button, toast } from "../base/parts.js";

// What platforms call it, for files that come without a media type, as Telegram's photos do.
const KINDS = { photo: "image", image: "image", sticker: "image", video: "video", video_note: "video", animation: "video", gif: "video", audio: "audio", voice: "audio", ptt: "audio" };
const PLAYED = ["video", "audio"];

function kindOf(message) {
  const type = message.media.mime_type ?? "";
  const [family] = type.split("/");
  if (["image", "video", "audio"].includes(family)) return family;
  return type ? "file" : (KINDS[message.type] ?? "file");
}

/** Fill `place` with the file of a message; returns a function that gives back what it took. */
export function showMedia(place, message) {
  const { href, filename } = message.media;
  const name = filename || message.type;
  let address = null;
  let left = false;

  async function load() {
    const found = await picture(href, "*/*");
    if (left) URL.revokeObjectURL(found);
    else address = found;
    return found;
  }
  const leave = () => {
    left = true;
    if (address) URL.revokeObjectURL(address);
  };

  const about = [name, Number.isFinite(message.media.size) ? size(message.media.size) : null].filter(Boolean).join(" · ");
  const offer = () => button(`↓ ${about}`, async () => {
    await save(href, name);
    toast(`${name} is saved.`);
  }, { kind: "small file", title: about, "aria-label": `Save ${about}` });
  const kind = kindOf(message);

  if (PLAYED.includes(kind)) {
    const play = button(`▶ ${about}`, async () => {
      const player = h(kind, { controls: true, autoplay: true, "aria-label": name });
      player.src = await load();
      player.addEventListener("error", () => fill(place, offer()), { once: true }); // the browser cannot play it
      fill(place, player);
      player.focus();
    }, { kind: "small file", title: about, "aria-label": `Play ${about}` });
    fill(place, play);
    return leave;
  }
  if (kind !== "image") {
    fill(place, offer());
    return leave;
  }
  const image = h("img", { class: "coming", alt: filename || "A picture", loading: "lazy" });
  image.addEventListener("load", () => image.classList.remove("coming"), { once: true });
  image.addEventListener("error", () => fill(place, offer()), { once: true });
  fill(place, image);
  const seen = new IntersectionObserver(async ([entry]) => {
    if (!entry.isIntersecting) return;
    seen.disconnect();
    try {
      image.src = await load();
    } catch (problem) {
      fill(place, h("p", { class: "soft" }, problem.message), offer());
    }
  });
  seen.observe(image);
  return () => {
    seen.disconnect();
    leave();
  };
}
