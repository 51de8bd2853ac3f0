/** Makes elements. Text is always set as text, never parsed as HTML: what a registry says can't become markup. */

/** `element("a", { href: "#/", class: "x" }, "text", child)`; null and false children are left out. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) {
      made.addEventListener(name.slice(2), value);
    } else if (value === true) {
      made.setAttribute(name, "");
    } else if (value !== false && value != null) {
      made.setAttribute(name, String(value));
    }
  }
  made.append(...children.flat().filter((child) => child != null && child !== false));
  return made;
}

let hiding;

/** Tells everyone, screen readers too, what has just happened. */
export function announce(text, failed = false) {
  const status = document.getElementById("status");
  status.textContent = text;
  status.classList.toggle("failed", failed);
  status.hidden = false;
  clearTimeout(hiding);
  hiding = setTimeout(() => { status.hidden = true; }, failed ? 12000 : 5000);
}

/** A button that copies `text` and says so. */
export function copyButton(text, label, attributes = {}, face = "Copy") {
  return element("button", {
    type: "button", class: "button small", "aria-label": label, title: label, ...attributes,
    onclick: async () => announce(await copy(text) ? `Copied: ${text}` : `This browser refused to copy: ${text}`),
  }, face);
}

async function copy(text) {
  if (navigator.clipboard) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // Not permitted here: the old way below may be.
    }
  }
  // Pages served by plain HTTP have no clipboard object.
  const focused = document.activeElement;
  const field = element("textarea", { class: "off-screen", "aria-hidden": "true" });
  field.value = text;
  document.body.append(field);
  field.select();
  const copied = document.execCommand("copy");
  field.remove();
  focused?.focus();
  return copied;
}
