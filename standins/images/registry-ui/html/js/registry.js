/**
 * The registry's HTTP API, version 2: requests, pagination, kinds of manifest and what errors mean.
 * It knows nothing of the page.
 */

const INDEXES = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
];
const MANIFESTS = [
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
];
const IMAGE_CONFIGS = [
  "application/vnd.oci.image.config.v1+json",
  "application/vnd.docker.container.image.v1+json",
];
const ACCEPT = [...INDEXES, ...MANIFESTS].join(", ");

/** `kind`: unauthorized, forbidden, unreachable, not-a-registry, not-found, deletion-off or other. */
export class RegistryError extends Error {
  constructor(kind, message, hint = "") {
    super(message);
    this.kind = kind;
    this.hint = hint;
  }
}

export class Registry {
  /**
   * `url`: the registry without `/v2/`. `secured`: send credentials to another origin too.
   * `noCacheHeader`: ask caches on the way not to answer (needs the registry's CORS headers to allow it).
   */
  constructor({ url, secured = false, noCacheHeader = false }) {
    this.url = url.replace(/\/+$/, "");
    this.secured = secured;
    this.noCacheHeader = noCacheHeader;
  }

  /** One page of the catalog: `{ repositories, next }`; `next` goes into the next call, null at the end. */
  async catalogPage(limit, next, signal) {
    const { body, link } = await this.#page(next ?? `/v2/_catalog?n=${limit}`, signal);
    return { repositories: body.repositories ?? [], next: link };
  }

  /** All tags of a repository, in the registry's order; none if the registry doesn't know it. */
  async tags(repository, signal) {
    const found = [];
    let next = `/v2/${repository}/tags/list`;
    while (next) {
      try {
        const { body, link } = await this.#page(next, signal);
        found.push(...(body.tags ?? []));
        next = link;
      } catch (error) {
        if (error.kind === "not-found") {
          return found;
        }
        throw error;
      }
    }
    return found;
  }

  /** The digest of what a tag names now, or null where the answer doesn't say. */
  async digest(repository, reference, signal) {
    const answer = await this.#request(`/v2/${repository}/manifests/${reference}`, {
      method: "HEAD", headers: { Accept: ACCEPT }, signal,
    });
    return answer.headers.get("Docker-Content-Digest");
  }

  /**
   * What a tag names: `{ digest, mediaType, kind, images }`. `kind` is image, index or artifact; `images` has one
   * `{ platform, digest, size, created, history }` per platform (for an artifact `platform` is null).
   */
  async describe(repository, reference, signal) {
    const manifest = await this.#manifest(repository, reference, signal);
    if (!INDEXES.includes(manifest.mediaType)) {
      const image = await this.#image(repository, manifest, signal);
      return { ...manifest, kind: image.platform ? "image" : "artifact", images: [image] };
    }
    // Build attestations are listed among the images, for a platform "unknown".
    const listed = (manifest.body.manifests ?? []).filter((entry) => entry.platform?.os !== "unknown");
    const images = await Promise.all(listed.map(async (entry) => {
      try {
        const found = await this.#manifest(repository, entry.digest, signal);
        const image = await this.#image(repository, found, signal);
        return { ...image, digest: entry.digest, platform: entry.platform ?? image.platform };
      } catch (error) {
        // An index may name images that were never copied along.
        if (error.kind !== "not-found") {
          throw error;
        }
        return { platform: entry.platform ?? {}, digest: entry.digest, size: null, created: null, history: [] };
      }
    }));
    return { ...manifest, kind: "index", images };
  }

  /** Deletes a manifest, and with it every tag that names it. */
  async remove(repository, digest) {
    try {
      await this.#request(`/v2/${repository}/manifests/${digest}`, { method: "DELETE" });
    } catch (error) {
      if (error.kind !== "not-found") {
        throw error;
      }
    }
  }

  async #manifest(repository, reference, signal) {
    const answer = await this.#request(`/v2/${repository}/manifests/${reference}`, {
      headers: { Accept: ACCEPT }, signal,
    });
    const body = await readJson(answer, this.url);
    const mediaType = body.mediaType ?? answer.headers.get("Content-Type")?.split(";")[0] ?? "";
    const known = /^\w+:/.test(reference) ? reference : null;
    return { body, mediaType, digest: answer.headers.get("Docker-Content-Digest") ?? known };
  }

  async #image(repository, { body, mediaType, digest }, signal) {
    const type = body.config?.mediaType;
    const size = (body.layers ?? []).reduce((sum, layer) => sum + layer.size, body.config?.size ?? 0);
    if (!IMAGE_CONFIGS.includes(type)) {
      const created = body.annotations?.["org.opencontainers.image.created"] ?? null;
      return { platform: null, artifactType: body.artifactType ?? type ?? mediaType, digest, size, created, history: [] };
    }
    const blob = await this.#request(`/v2/${repository}/blobs/${body.config.digest}`, { signal, cache: "default" });
    const config = await readJson(blob, this.url);
    const { os, architecture, variant, created, history = [] } = config;
    return { platform: { os, architecture, variant }, digest, size, created, history };
  }

  async #page(path, signal) {
    const answer = await this.#request(path, { signal });
    const next = answer.headers.get("Link")?.match(/<([^>]+)>\s*;\s*rel="?next"?/)?.[1];
    const body = await readJson(answer, this.url);
    // The registry may not know under which address it is reached: only the path below /v2/ is taken from the link.
    return { body, link: next ? next.slice(next.indexOf("/v2/")) : null };
  }

  async #request(path, { headers = {}, ...options } = {}) {
    const own = this.noCacheHeader ? { "Cache-Control": "no-store, no-cache" } : {};
    let answer;
    try {
      answer = await fetch(this.url + path, {
        cache: "no-store",
        credentials: this.secured ? "include" : "same-origin",
        headers: { ...own, ...headers },
        ...options,
      });
    } catch (error) {
      if (error.name === "AbortError") {
        throw error;
      }
      throw new RegistryError(
        "unreachable",
        `Nothing answers at ${this.url}/v2/.`,
        new URL(this.url).origin === location.origin
          ? "Is the network up, and does this browser trust the address's certificate?"
          : "Is it running, does this browser trust its certificate, and do its CORS headers allow this page?",
      );
    }
    if (!answer.ok) {
      throw await explain(answer, options.method ?? "GET", this.url);
    }
    return answer;
  }
}

async function readJson(answer, url) {
  try {
    return await answer.json();
  } catch (error) {
    if (error.name === "AbortError") {
      throw error;
    }
    throw notARegistry(url);
  }
}

const notARegistry = (url) => new RegistryError(
  "not-a-registry",
  `What answers at ${url}/v2/ is not a registry.`,
  "Check this page's settings: REGISTRY_URL, or NGINX_PROXY_PASS_URL where this page's server passes requests on.",
);

/** The error behind an answer that isn't a success; the registry's own words where it gave any. */
async function explain(answer, method, url) {
  const isJson = (answer.headers.get("Content-Type") ?? "").includes("json");
  const first = isJson ? (await answer.json().catch(() => ({}))).errors?.[0] : undefined;
  const words = first ? `${first.message ?? first.code} (HTTP ${answer.status})` : `HTTP ${answer.status}`;
  switch (answer.status) {
    case 401:
      return new RegistryError(
        "unauthorized",
        "The registry wants a login.",
        /^basic/i.test(answer.headers.get("WWW-Authenticate") ?? "")
          ? "Try again to be asked for user and password."
          : "This page logs in with user and password only, and the registry asks for something else.",
      );
    case 403:
      return new RegistryError("forbidden", `The registry does not permit this: ${words}.`);
    case 404:
      return isJson || method === "HEAD"
        ? new RegistryError("not-found", `The registry does not know this: ${words}.`)
        : notARegistry(url);
    case 405:
      return new RegistryError(
        "deletion-off",
        `The registry does not delete: ${words}.`,
        "Its configuration needs storage.delete.enabled: true (REGISTRY_STORAGE_DELETE_ENABLED=true).",
      );
    case 502: case 503: case 504:
      return new RegistryError(
        "unreachable",
        `This page's server cannot reach the registry: ${words}.`,
        "Is the registry running? This page's server logs why it could not connect.",
      );
    default:
      return new RegistryError("other", `The registry answered ${words}.`);
  }
}

/** Runs `work` for each item, at most `width` at a time: a browser must not flood a registry. */
export async function inParallel(items, work, width = 6) {
  const waiting = [...items];
  await Promise.all(Array.from({ length: Math.min(width, waiting.length) }, async () => {
    while (waiting.length > 0) {
      await work(waiting.shift());
    }
  }));
}
