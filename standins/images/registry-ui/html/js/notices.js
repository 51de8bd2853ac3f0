/** What stands in place of a list: an error, or that there is nothing. */
import { element } from "./dom.js";

export function errorNotice(error, retry) {
  return element("div", { class: "notice failed", role: "alert", "data-error": error.kind ?? "other" },
    element("h2", {}, error.message),
    error.hint ? element("p", {}, error.hint) : null,
    element("button", { type: "button", class: "button", "data-action": "retry", onclick: retry }, "Try again"));
}

export function emptyNotice(heading, ...paragraphs) {
  return element("div", { class: "notice", "data-empty": true },
    element("h2", {}, heading),
    paragraphs.map((paragraph) => element("p", {}, ...[paragraph].flat())));
}
