// Loaded before the page is painted, so that nobody sees the wrong colours flash by. "auto" follows the system.
"use strict";
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
