/** Starts the page: reads its settings, and shows what the address names (#/ or #/repository/NAME). */
import { showCatalog } from "./catalog.js";
import { errorNotice } from "./notices.js";
import { Registry } from "./registry.js";
import { showRepository } from "./repository.js";
import { startTheme } from "./theme.js";

const main = document.getElementById("main");
let showing = new AbortController();

async function start() {
  // Not a relative address: the page's own may carry a user and a password, with which fetch() refuses to work.
  const base = location.origin + location.pathname.replace(/\/[^/]*$/, "");
  const answer = await fetch(`${base}/config.json`, { cache: "no-store" });
  if (!answer.ok) {
    throw new Error(`The page's settings can't be read: config.json answered HTTP ${answer.status}.`);
  }
  const config = await answer.json();
  const url = config.registryUrl || base;
  const registry = new Registry({ url, secured: config.registrySecured, noCacheHeader: config.useControlCacheHeader });
  const { host, pathname } = new URL(url);
  const pullHost = config.pullUrl.replace(/^https?:\/\//, "").replace(/\/+$/, "") || host + pathname.replace(/\/+$/, "");
  const title = config.title || host;
  document.getElementById("title").textContent = title;
  document.getElementById("host").textContent = title === pullHost ? "" : pullHost;
  startTheme(config.theme, document.getElementById("theme"));

  const show = async (moveFocus) => {
    showing.abort();
    showing = new AbortController();
    main.dataset.state = "loading";
    const context = { main, registry, config, pullHost, signal: showing.signal, reload: () => show(true) };
    const name = location.hash.match(/^#\/repository\/(.+)$/)?.[1].split("/").map(decodeURIComponent).join("/");
    document.title = name ? `${name} · ${title}` : title;
    const shown = name ? showRepository(context, name) : showCatalog(context);
    if (moveFocus) {
      main.querySelector("h1").focus();
      scrollTo(0, 0);
    }
    await shown;
  };
  addEventListener("hashchange", () => show(true));
  document.querySelector('[data-action="skip"]').onclick = (event) => {
    event.preventDefault(); // The address says which repository is shown: it must not become "#main".
    main.focus();
  };
  await show(false);
}

start().catch((error) => {
  main.dataset.state = "error";
  main.replaceChildren(errorNotice(error, () => location.reload()));
  throw error;
});
