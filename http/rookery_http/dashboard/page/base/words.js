// What the machine's words mean to people.

const STATUS = {
  CONNECTED: ["Connected", "good"],
  INITIALIZING: ["Starting", "busy"],
  LOADING: ["Connecting", "busy"],
  RECONNECTING: ["Reconnecting", "busy"],
  QR_REQUIRED: ["Waiting for a scan", "attention"],
  CODE_REQUIRED: ["Waiting for the code", "attention"],
  DISCONNECTED: ["Down", "bad"],
  AUTH_FAILURE: ["Refused", "bad"],
};

const ACTION = {
  scan_qr: "Scan a QR code with the phone",
  enter_code: "Type the code into the phone",
  remove_passkey: "Remove the passkey in WhatsApp on the phone, then start the session again",
  replace_token: "Replace the token",
  retry: "Fix the cause, then start it again",
  fix_configuration: "Correct the settings",
  stop_other_client: "Stop the other program that uses this account",
};

/** A person has to link the session now. */
export const PAIRING = ["QR_REQUIRED", "CODE_REQUIRED"];

export const PLATFORM = { telegram: "Telegram", whatsapp: "WhatsApp" };
export const platform = (name) => PLATFORM[name] ?? name;

/** [what to call its state, its tone]. */
export function stateOf(session) {
  if (!session.enabled && session.status === "DISCONNECTED") return ["Stopped", "off"];
  if (session.enabled && session.reason === "CREATED") return STATUS.INITIALIZING;
  return STATUS[session.status] ?? [session.status, "off"];
}

/** What a person has to do, or "". */
export function actionOf(session) {
  return session.enabled || session.action === "replace_token" ? (ACTION[session.action] ?? "") : "";
}

export const needsSomebody = (session) => session.action !== "none" && actionOf(session) !== "";

const BUSY = new Set(["INITIALIZING", "LOADING", "RECONNECTING"]);
const WAITS = new Set([...PAIRING, "AUTH_FAILURE"]);

/** The groups that the list can be narrowed to: each session is in one, counted as the server's overview does. */
export const GROUPS = [
  ["all", "All", () => true],
  ["you", "Need you", (session) => session.enabled && WAITS.has(session.status)],
  ["good", "Connected", (session) => session.enabled && session.status === "CONNECTED"],
  ["busy", "Connecting", (session) => session.enabled && BUSY.has(session.status)],
  ["down", "Down", (session) => session.enabled && session.status === "DISCONNECTED"],
  ["off", "Stopped", (session) => !session.enabled],
];

/** Who wrote, and in which chat: an id that can be written to. */
export function origin(event) {
  const name = event.body?.sender_name;
  return [name, event.chat].filter(Boolean).join(" · ");
}

export const STATES = {
  scheduled: ["Scheduled", "busy"],
  queued: ["Queued", "busy"],
  sending: ["Sending", "busy"],
  sent: ["Sent", "good"],
  delivered: ["Delivered", "good"],
  read: ["Read", "good"],
  failed: ["Failed", "bad"],
  expired: ["Expired", "bad"],
  unknown: ["Unknown: it may or may not have arrived", "attention"],
  cancelled: ["Cancelled", "off"],
};
