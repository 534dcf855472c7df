// Runs before the page is painted: the colours, so that the wrong ones never flash by, and the question for the first
// figures, so that the server answers while the modules still load.
(() => {
  const [, name = "overview"] = location.hash.split("?")[0].split("/");
  const address = { overview: "v1/overview", sessions: "v1/sessions?limit=500" }[name || "overview"];
  if (!address) return;
  const key = sessionStorage.getItem("rookery-key"); // as base/api.js keeps it
  const answer = fetch(address, { credentials: "omit", cache: "no-store", headers: key ? { Authorization: `Bearer ${key}` } : {} });
  answer.catch(() => {}); // whoever takes it sees the error
  globalThis.asked = { address: `/${address}`, answer };
})();
// "auto" follows the system.
(() => {
  const NEXT = { auto: "dark", dark: "light", light: "auto" };
  const LABEL = { auto: "◑ Auto", dark: "● Dark", light: "○ Light" };
  let theme = "auto";
  try {
    theme = localStorage.getItem("rookery-theme") || "auto";
  } catch {
    // storage may be forbidden; the toggle then lasts as long as the page
  }
  if (!(theme in NEXT)) theme = "auto";
  const show = () => {
    document.documentElement.dataset.theme = theme;
    const button = document.getElementById("theme");
    if (button) {
      const [sign, ...words] = LABEL[theme].split(/(?= )/);
      const label = document.createElement("span");
      label.textContent = words.join("");
      button.replaceChildren(sign, label);
      button.setAttribute("aria-label", `Colours: ${theme}. Change to ${NEXT[theme]}.`);
    }
  };
  show();
  document.addEventListener("DOMContentLoaded", () => {
    show();
    document.getElementById("theme").addEventListener("click", () => {
      theme = NEXT[theme];
      try {
        localStorage.setItem("rookery-theme", theme);
      } catch {
        // as above
      }
      show();
    });
  });
})();
