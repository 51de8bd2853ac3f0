/** One repository: its tags with what they name, how to pull them, and their deletion. */
import { announce, copyButton, element } from "./dom.js";
import { confirmDeletion } from "./deletion.js";
import { ago, created, plural, platform, shortDigest, size, sizes } from "./format.js";
import { emptyNotice, errorNotice } from "./notices.js";
import { tagOrder } from "./order.js";
import { inParallel } from "./registry.js";

export async function showRepository({ main, registry, config, pullHost, signal, reload }, repository) {
  const rows = new Map(); // tag -> what makeRows returned, as far as the tag was ever shown
  let tags = null; // until the registry has answered
  let limit = config.taglistPageSize;
  let shownTags = [];

  const summary = element("p", { class: "summary", "data-summary": true });
  const headings = ["Tag", "Platform", "Size", "Created", config.showContentDigest ? "Digest" : null, "Actions"].filter(Boolean);
  const table = element("table", { class: "tags" },
    element("caption", { class: "off-screen" }, `Tags of ${repository}`),
    element("thead", {}, element("tr", {}, headings.map((heading) =>
      element("th", { scope: "col" }, heading === "Actions" ? element("span", { class: "off-screen" }, heading) : heading)))));
  const below = element("div", { class: "below" });
  const filter = element("input", {
    type: "search", id: "filter", "data-filter": true, placeholder: "Filter tags", autocomplete: "off", spellcheck: "false",
    oninput: () => { limit = config.taglistPageSize; arrange(); },
  });

  /** Shows the tags that the filter lets through, up to the page's limit. */
  function arrange() {
    if (tags === null) {
      return;
    }
    const wanted = tags.filter((tag) => tag.toLowerCase().includes(filter.value.trim().toLowerCase()));
    shownTags = wanted.slice(0, limit);
    for (const tag of rows.keys()) {
      if (!tags.includes(tag)) {
        rows.delete(tag);
      }
    }
    const fresh = shownTags.filter((tag) => !rows.has(tag));
    fresh.forEach((tag) => rows.set(tag, makeRows(tag)));
    table.replaceChildren(table.caption, table.tHead, ...shownTags.map((tag) => rows.get(tag).group));
    summary.textContent = filter.value.trim() ? `${wanted.length} of ${plural(tags.length, "tag")}` : plural(tags.length, "tag");
    table.hidden = shownTags.length === 0;
    below.replaceChildren();
    if (tags.length === 0) {
      below.append(emptyNotice("No tags here",
        "All tags were deleted, or none was ever pushed. The registry's garbage collection frees the space of deleted images; the registry keeps the name.",
        ["Push one: ", element("code", {}, `docker push ${pullHost}/${repository}:TAG`)]));
    } else if (wanted.length === 0) {
      below.append(emptyNotice(`No tag matches “${filter.value}”`));
    } else if (wanted.length > limit) {
      below.append(element("button", {
        type: "button", class: "button", "data-action": "more",
        onclick: () => { limit += config.taglistPageSize; arrange(); },
      }, `Show more tags (${wanted.length - limit})`));
    }
    main.dataset.state = tags.length === 0 ? "empty" : "ready";
    inParallel(fresh, (tag) => describe(tag, rows.get(tag)));
  }

  /** A table body of its own per tag: its columns, its pull command, its details. */
  function makeRows(tag) {
    const pull = `docker pull ${pullHost}/${repository}:${tag}`;
    const cells = {
      platform: element("td", { "data-label": "Platform", class: "loading" }, "…"),
      size: element("td", { "data-label": "Size", class: "loading number" }, "…"),
      created: element("td", { "data-label": "Created", class: "loading" }, "…"),
      digest: config.showContentDigest ? element("td", { "data-label": "Digest", class: "loading" }, "…") : null,
    };
    const details = element("tr", { class: "details", hidden: true }, element("td", { colspan: headings.length }));
    const toggle = element("button", {
      type: "button", class: "button small", "data-action": "details", "aria-expanded": "false", "aria-label": `Details of ${tag}`, disabled: true,
      onclick: () => {
        details.hidden = !details.hidden;
        toggle.setAttribute("aria-expanded", String(!details.hidden));
      },
    }, "Details");
    const remove = config.deleteImages ? element("button", {
      type: "button", class: "button small danger-outline", "data-action": "delete", "aria-label": `Delete ${tag}`,
      onclick: () => erase(tag),
    }, "Delete") : null;
    const pullLine = element("tr", { class: "pull", "data-pull": pull }, element("td", { colspan: headings.length },
      element("div", {},
        element("code", {}, breakable(pull)),
        copyButton(pull, `Copy the docker pull command of ${tag}`, { "data-action": "copy-pull" }))));
    const group = element("tbody", { "data-tag": tag },
      element("tr", {},
        element("th", { scope: "rowgroup", class: "tag" }, tag),
        cells.platform, cells.size, cells.created, cells.digest,
        element("td", { class: "actions" }, element("div", {}, toggle, remove))),
      pullLine, details);
    return { group, details, cells, toggle, pullLine, digest: null };
  }

  async function describe(tag, entry) {
    const { group, cells, toggle, pullLine } = entry;
    Object.values(cells).forEach((cell) => cell?.classList.remove("loading"));
    let found;
    try {
      found = await registry.describe(repository, tag, signal);
    } catch (error) {
      if (error.name !== "AbortError") {
        Object.values(cells).forEach((cell) => cell?.replaceChildren());
        cells.platform.replaceChildren(element("span", { class: "problem", title: error.hint ?? "" }, error.message));
        group.dataset.error = error.kind ?? "other";
      }
      return;
    }
    const { images } = found;
    entry.digest = found.digest;
    group.dataset.digest = found.digest ?? "";
    const known = images.filter((image) => image.size !== null);
    const dates = known.map((image) => created(image.created)).filter(Boolean);
    cells.platform.replaceChildren(...images.map((image) => element("span", { class: "chip" },
      image.platform ? platform(image.platform) : image.artifactType)));
    cells.size.replaceChildren(known.length > 0 ? sizes(known.map((image) => image.size)) : "–");
    cells.created.replaceChildren(when(dates.length > 0 ? new Date(Math.max(...dates)) : null));
    cells.digest?.replaceChildren(found.digest
      ? copyButton(found.digest, `${shortDigest(found.digest)}: copy the digest of ${tag}`,
        { class: "digest", title: found.digest, "data-action": "copy-digest" }, shortDigest(found.digest))
      : "–");
    if (found.kind === "artifact") {
      pullLine.remove(); // Docker can't pull it.
    }
    toggle.disabled = false;
    entry.details.firstChild.replaceChildren(detailsOf(found, config.showTagHistory));
  }

  /** Reads the tags again, as the registry has them now. */
  async function refresh() {
    tags = (await registry.tags(repository, signal)).sort(tagOrder(config.taglistOrder));
    arrange();
  }

  async function erase(tag) {
    try {
      const digest = await registry.digest(repository, tag, signal);
      if (!digest) {
        announce(`${tag} can't be deleted: the registry's answer has no Docker-Content-Digest (CORS: Access-Control-Expose-Headers).`, true);
        return;
      }
      // The registry deletes what the tag names, and so every tag that names the same.
      const others = [];
      await inParallel(tags.filter((other) => other !== tag), async (other) => {
        const theirs = rows.get(other)?.digest ?? await registry.digest(repository, other, signal);
        if (theirs === digest) {
          others.push(other);
        }
      });
      const position = shownTags.indexOf(tag);
      if (!await confirmDeletion({ repository, tag, digest, others: others.sort(tagOrder(config.taglistOrder)) })) {
        return;
      }
      const { group } = rows.get(tag);
      group.classList.add("leaving");
      try {
        await registry.remove(repository, digest);
      } finally {
        group.classList.remove("leaving");
      }
      await refresh();
      announce(`Deleted ${[tag, ...others].map((name) => `${repository}:${name}`).join(", ")}`);
      const neighbour = shownTags[Math.min(position, shownTags.length - 1)];
      (rows.get(neighbour)?.group.querySelector('[data-action="delete"]') ?? main.querySelector("h1")).focus();
    } catch (error) {
      if (error.name !== "AbortError") {
        announce([`${tag} was not deleted.`, error.message, error.hint].filter(Boolean).join(" "), true);
      }
    }
  }

  main.replaceChildren(
    element("nav", { class: "trail", "aria-label": "Breadcrumb" }, element("a", { href: "#/", "data-action": "catalog" }, "‹ Repositories")),
    element("div", { class: "heading" },
      element("div", {}, element("h1", { tabindex: "-1", "data-repository-title": repository }, repository), summary),
      element("label", { class: "search" }, element("span", { class: "off-screen" }, "Filter tags"), filter)),
    element("div", { class: "scroll" }, table), below);
  table.hidden = true;
  summary.textContent = "Asking the registry…";
  try {
    await refresh();
  } catch (error) {
    if (error.name !== "AbortError") {
      summary.textContent = "";
      below.replaceChildren(errorNotice(error, reload));
      main.dataset.state = "error";
    }
  }
}

/** Lets a long name break after its slashes rather than anywhere. */
const breakable = (text) => text.split(/(?<=\/)/).flatMap((part, index) => (index > 0 ? [element("wbr"), part] : [part]));

function when(date) {
  return date
    ? element("time", { datetime: date.toISOString(), title: date.toUTCString() }, ago(date))
    : element("span", { title: "The image has no date" }, "–");
}

/** What a tag names, platform by platform, with the steps that made it. */
function detailsOf({ digest, mediaType, images }, showHistory) {
  return element("div", { class: "details-body" },
    element("dl", {},
      element("dt", {}, "Manifest"), element("dd", {}, element("code", {}, digest ?? "unknown")),
      element("dt", {}, "Type"), element("dd", {}, element("code", {}, mediaType))),
    images.map((image) => element("section", { "data-platform": image.platform ? platform(image.platform) : "" },
      element("h2", {}, image.platform ? platform(image.platform) : image.artifactType,
        element("span", { class: "summary" }, image.size === null ? " not in this registry" : ` ${size(image.size)}`)),
      images.length > 1 ? element("p", { class: "hint" }, element("code", {}, image.digest)) : null,
      showHistory && image.history.length > 0
        ? element("ol", { class: "history", "aria-label": "Build history" }, image.history.map((step) =>
          element("li", {}, element("code", {}, step.created_by ?? step.comment ?? "(no command recorded)"))))
        : null)));
}
