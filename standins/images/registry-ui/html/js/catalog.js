/** The list of repositories, page by page, with a filter and (if asked for) the number of tags of each. */
import { element } from "./dom.js";
import { plural } from "./format.js";
import { emptyNotice, errorNotice } from "./notices.js";
import { inParallel } from "./registry.js";

export const repositoryLink = (name) => `#/repository/${name.split("/").map(encodeURIComponent).join("/")}`;

export async function showCatalog({ main, registry, config, pullHost, signal, reload }) {
  const known = []; // { name, item, count: element or null, empty }
  let next = null;
  let loading = null; // the page that is being fetched, if any

  const summary = element("p", { class: "summary", "data-summary": true });
  const list = element("ul", { class: "repositories", "aria-label": "Repositories" });
  const below = element("div", { class: "below" });
  const filter = element("input", {
    type: "search", id: "filter", "data-filter": true, placeholder: "Filter repositories", autocomplete: "off", spellcheck: "false",
    oninput: async () => {
      arrange();
      // What isn't loaded can't be filtered: the rest of the catalog is fetched first.
      while (filter.value && next && !signal.aborted) {
        await load().catch(fail);
      }
    },
  });
  const more = element("button", {
    type: "button", class: "button", "data-action": "more",
    onclick: async () => {
      const already = known.length;
      more.disabled = true;
      await load().catch(fail);
      more.disabled = false;
      known[already]?.item.querySelector("a").focus();
    },
  }, "Show more repositories");

  function fail(error) {
    if (error.name !== "AbortError") {
      next = null;
      summary.textContent = known.length > 0 ? "The list is not complete" : "";
      below.replaceChildren(errorNotice(error, reload));
      main.dataset.state = "error";
    }
  }

  /** Shows what the filter lets through, and says what is not shown and why. */
  function arrange() {
    if (loading) {
      return; // It comes back here when the page is there.
    }
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const hidden = known.filter(({ empty }) => empty);
    let shown = 0;
    for (const { name, item, empty } of known) {
      item.hidden = empty || !words.every((word) => name.toLowerCase().includes(word));
      shown += item.hidden ? 0 : 1;
    }
    const total = known.length - hidden.length;
    const all = `${plural(total, "repository", "repositories")}${next ? " so far" : ""}`;
    summary.textContent = words.length > 0 ? `${shown} of ${all}` : all;
    below.replaceChildren();
    if (known.length === 0) {
      below.append(emptyNotice("No images yet",
        ["Push the first: ", element("code", {}, `docker push ${pullHost}/NAME:TAG`)]));
    } else if (shown === 0 && total > 0 && !next) {
      below.append(emptyNotice(`No repository matches “${filter.value}”`));
    }
    if (next) {
      below.append(more);
    }
    if (hidden.length > 0) {
      below.append(element("p", { class: "hint", "data-hidden-repositories": hidden.length },
        `${plural(hidden.length, "repository", "repositories")} without tags ${hidden.length === 1 ? "is" : "are"} not shown. `
        + "The registry's garbage collection frees the space; the registry keeps the name."));
    }
    main.dataset.state = known.length === 0 ? "empty" : "ready";
  }

  /** Fetches the next page, or joins who is fetching it already. */
  async function load() {
    loading ??= loadPage();
    try {
      await loading;
    } finally {
      loading = null;
    }
    arrange();
  }

  async function loadPage() {
    const page = await registry.catalogPage(config.catalogElementsLimit, next, signal);
    next = page.next;
    const added = page.repositories.map((name) => {
      const count = config.showCatalogNbTags ? element("span", { class: "count loading" }, "…") : null;
      const [, space, own] = name.match(/^(.*\/)?([^/]*)$/);
      const item = element("li", {},
        element("a", { class: "repository", href: repositoryLink(name), "data-repository": name },
          element("span", { class: "name" }, space ? element("span", { class: "space" }, space) : null, own),
          count,
          element("span", { class: "chevron", "aria-hidden": "true" }, "›")));
      return { name, item, count, empty: false };
    });
    known.push(...added);
    list.append(...added.map(({ item }) => item));
    if (config.showCatalogNbTags) {
      await inParallel(added, async (entry) => {
        entry.count.classList.remove("loading");
        try {
          const { length } = await registry.tags(entry.name, signal);
          entry.empty = length === 0;
          entry.count.textContent = plural(length, "tag");
          entry.count.dataset.tags = length;
        } catch (error) {
          if (error.kind !== "forbidden") {
            throw error;
          }
          entry.count.textContent = "no access";
        }
      });
    }
  }

  main.replaceChildren(
    element("div", { class: "heading" },
      element("div", {}, element("h1", { tabindex: "-1" }, "Repositories"), summary),
      element("label", { class: "search" }, element("span", { class: "off-screen" }, "Filter repositories"), filter)),
    list, below);
  summary.textContent = "Asking the registry…";
  await load().catch(fail);
}
