/** The dialog that asks before anything is deleted. */
import { element } from "./dom.js";

/** Resolves to true when the deletion is confirmed; Escape and Cancel are a no. */
export function confirmDeletion({ repository, tag, digest, others }) {
  const dialog = document.getElementById("delete-dialog");
  dialog.querySelector("#delete-title").textContent = `Delete ${repository}:${tag}?`;
  dialog.querySelector("#delete-text").replaceChildren(
    others.length > 0
      ? element("p", { class: "warning", "data-also-deleted": others.join(" ") },
        `The registry deletes the image with all its tags, so ${others.length === 1 ? "this goes" : "these go"} too: `,
        others.flatMap((other, index) => [index > 0 ? ", " : "", element("strong", {}, other)]))
      : element("p", {}, "No other tag of this repository names the same image."),
    element("p", { class: "hint" }, element("code", {}, digest)),
    element("p", { class: "hint" }, "This can't be undone. The space is freed by the registry's next garbage collection."));
  const confirm = dialog.querySelector('[data-action="confirm-delete"]');
  const cancel = dialog.querySelector('[data-action="cancel-delete"]');
  confirm.textContent = others.length > 0 ? `Delete ${others.length + 1} tags` : "Delete";
  return new Promise((resolve) => {
    dialog.returnValue = "";
    confirm.onclick = () => dialog.close("delete");
    cancel.onclick = () => dialog.close("");
    dialog.onclose = () => resolve(dialog.returnValue === "delete");
    dialog.showModal();
    cancel.focus();
  });
}
