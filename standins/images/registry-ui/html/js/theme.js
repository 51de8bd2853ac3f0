/** Light or dark: as the system has it, until somebody presses the button (only with THEME=auto). */

const KEY = "theme";
const system = matchMedia("(prefers-color-scheme: dark)");

export function startTheme(setting, button) {
  const root = document.documentElement;
  if (setting !== "auto") {
    root.dataset.theme = setting;
    return;
  }
  const current = () => localStorage.getItem(KEY) ?? (system.matches ? "dark" : "light");
  const apply = () => {
    root.dataset.theme = current();
    button.textContent = current() === "dark" ? "Light theme" : "Dark theme";
  };
  button.hidden = false;
  button.onclick = () => {
    localStorage.setItem(KEY, current() === "dark" ? "light" : "dark");
    apply();
  };
  system.addEventListener("change", apply);
  apply();
}
