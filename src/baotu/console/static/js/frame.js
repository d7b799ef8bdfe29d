/** The frame: theme, language, menu, tree of assets, open alarms, whether values are live. */
import { keepAlive, signOut } from "./session.js";
import { Part, assetLink, base, byName, clock, get, h, query, svg, t, trendLink, zh } from "./core.js";
import { live } from "./live.js";
import { openPalette } from "./palette.js";
import { shape, tallies } from "./shapes.js";

const root = document.documentElement;

export function setTheme(theme) {
  root.dataset.theme = theme;
  localStorage.setItem("baotu.theme", theme);
  window.Quasar?.Dark.set(theme === "dark");
  dispatchEvent(new Event("baotu:theme"));
}

function remember(language) {
  document.cookie = `baotu.language=${language};path=/;max-age=31536000;samesite=lax`;
}

class Tools extends Part {
  start() {
    const other = zh ? "/en" : "/zh";
    const here = location.pathname.replace(/^\/(zh|en)/, other) + location.search;
    this.append(
      h("a", { class: "tool", href: here, hreflang: zh ? "en" : "zh-CN", lang: zh ? "en" : "zh-CN", onclick: () => remember(zh ? "en" : "zh") }, zh ? "EN" : "中文"),
      h("button", { class: "tool", title: t("明暗 Light or dark"), "aria-label": t("明暗 Light or dark"), onclick: () => setTheme(root.dataset.theme === "dark" ? "light" : "dark") },
        svg("svg", { viewBox: "0 0 18 18", fill: "none", stroke: "currentColor", "stroke-width": 1.5 }, svg("circle", { cx: 9, cy: 9, r: 6.5 }), svg("path", { d: "M9 2.5 a6.5 6.5 0 0 1 0 13 Z", fill: "currentColor" }))),
    );
  }
}

/** Open alarms by priority, always in sight. */
class Counts extends Part {
  start() {
    const again = this.every(5, async () => {
      const { counts } = await get("alarms?limit=1");
      const box = h("a", { class: "tool", href: `${base}/alarms`, title: t("未结报警 Open alarms"), "aria-label": `${t("未结报警 Open alarms")}: ${counts.join(", ")}` });
      if (matchMedia("(max-width: 900px)").matches) {
        const worst = counts.findIndex(Boolean);
        if (worst >= 0) box.append(shape(worst + 1), h("b", {}, String(counts.reduce((a, b) => a + b))));
      } else box.append(tallies(counts));
      this.replaceChildren(box);
    });
    live.addEventListener("changed", again);
    this.own(() => live.removeEventListener("changed", again));
  }
  complain() {}
}

/** «Live», or since when nothing has come. */
class Pulse extends Part {
  start() {
    this.className = "small muted cut";
    const tell = () => {
      const lost = live.state === "lost" || live.state === "silent";
      document.body.classList.toggle("stale", lost);
      this.className = lost ? "small notice cut" : "small muted cut";
      this.textContent = lost ? `${clock(live.heard)} ${t("起无更新 no updates since")}` : "";
      if (lost && !zh) this.textContent = `No updates since ${clock(live.heard)}`;
    };
    live.addEventListener("state", tell);
    this.own(() => live.removeEventListener("state", tell));
    live.open();
  }
}

class Tree extends Part {
  async start() {
    this.setAttribute("role", "tree");
    this.open = new Set(JSON.parse(sessionStorage.getItem("baotu.tree") ?? "[]"));
    try {
      this.assets = (await get("assets")).assets;
    } catch (error) {
      return this.complain(error, () => this.start());
    }
    this.onTrends = /^\/(zh|en)\/trends/.test(location.pathname);
    this.leaves = new Map();
    this.below = Map.groupBy ? Map.groupBy(this.assets, (a) => a.parent) : group(this.assets);
    this.here = decodeURIComponent(/^\/(?:zh|en)\/asset\/(.*)/.exec(location.pathname)?.[1] ?? "");
    for (let path = this.here; path.includes("/"); ) this.open.add((path = path.slice(0, path.lastIndexOf("/"))));
    if (this.onTrends) for (const a of this.assets) if (a.level === "asset" && !this.below.has(a.path)) this.open.delete(a.path); // opened, they ask for their tags
    if (!this.open.size) this.roots().forEach((a) => this.open.add(a.path));
    this.draw();
    this.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
    this.onkeydown = (event) => this.key(event);
  }
  roots() {
    const known = new Set(this.assets.map((a) => a.path));
    return this.assets.filter((a) => !known.has(a.parent));
  }
  draw() {
    sessionStorage.setItem("baotu.tree", JSON.stringify([...this.open]));
    const rows = this.roots().flatMap((a) => this.rows(a, 0));
    const none = h("p", { class: "muted small", style: "padding: 0 16px" }, t("还没有资产；在配置里添加设备后出现。 No assets yet; they appear once devices are configured."));
    this.replaceChildren(h("h2", {}, t("资产 Assets")), ...(rows.length ? rows : [none]));
  }
  rows(asset, depth) {
    const open = this.open.has(asset.path), below = this.below.get(asset.path) ?? [];
    if (open) below.sort(byName);
    const inside = [...below, ...(this.leaves?.get(asset.path) ?? (this.onTrends && asset.level === "asset" ? [{ wait: true }] : []))];
    const label = t(asset.title) || asset.path.split("/").pop();
    const row = h("div", { class: "twig", role: "treeitem", "aria-expanded": inside.length ? String(open) : null, style: `padding-left:${4 + depth * 9}px` },
      inside.length ? h("button", { tabindex: -1, "aria-label": `${t(open ? "收起 Close" : "展开 Open")} ${label}`, onclick: () => this.toggle(asset.path) }, open ? "▾" : "▸") : h("button", { tabindex: -1, disabled: true, "aria-hidden": "true" }),
      h("a", { href: assetLink(asset.path), draggable: "true", ondragstart: (event) => event.dataTransfer.setData("text/baotu-asset", asset.path), title: `${label} · ${asset.path}`, "aria-current": asset.path === this.here ? "page" : null, "data-path": asset.path }, h("span", {}, label)));
    return [row, ...(open ? inside.flatMap((a) => (a.wait ? [] : a.property ? this.leaf(a, depth + 1) : this.rows(a, depth + 1))) : [])];
  }
  /** On the page of trends an asset opens to its tags: press one, or drag it into the chart. */
  leaf(tag, depth) {
    const take = (event) => (event.preventDefault(), dispatchEvent(new CustomEvent("baotu:take", { detail: { tag: tag.name } })));
    return h("div", { class: "twig leaf", role: "treeitem", style: `padding-left:${22 + depth * 9}px` },
      h("a", { href: trendLink([tag.name]), draggable: "true", onclick: take, ondragstart: (event) => event.dataTransfer.setData("text/baotu-tag", tag.name), title: tag.name, "data-path": tag.name }, h("span", {}, t(tag.title) || tag.property)));
  }
  async toggle(path) {
    this.open[this.open.has(path) ? "delete" : "add"](path);
    if (this.onTrends && this.open.has(path) && !this.leaves.has(path)) {
      const { tags } = await get(`asset?${query({ path })}`).catch(() => ({ tags: [] }));
      this.leaves.set(path, tags);
    }
    this.draw();
    this.querySelector(`[data-path="${CSS.escape(path)}"]`)?.focus();
  }
  key(event) {
    const links = [...this.querySelectorAll("a")];
    const at = links.indexOf(document.activeElement);
    if (at < 0) return;
    const path = links[at].dataset.path;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) links[at + step]?.focus();
    else if (event.key === "ArrowRight" && !this.open.has(path)) this.toggle(path);
    else if (event.key === "ArrowLeft" && this.open.has(path)) this.toggle(path);
    else return;
    event.preventDefault();
  }
}

function group(assets) {
  const found = new Map();
  for (const a of assets) found.has(a.parent) ? found.get(a.parent).push(a) : found.set(a.parent, [a]);
  return found;
}

customElements.define("bt-tools", Tools);
customElements.define("bt-counts", Counts);
customElements.define("bt-pulse", Pulse);
customElements.define("bt-tree", Tree);

if (document.querySelector("[data-act=sign-out]")) keepAlive();
document.addEventListener("click", (event) => {
  const act = event.target.closest?.("[data-act]")?.dataset.act;
  if (act === "find") openPalette();
  else if (act === "menu") document.body.classList.toggle("menu-open");
  else if (act === "sign-out") signOut();
  else if (act === "close-menu") document.body.classList.remove("menu-open");
});
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("input, textarea, select, [contenteditable], .cm-editor");
  if ((event.key === "k" && (event.ctrlKey || event.metaKey)) || (event.key === "/" && !typing)) {
    event.preventDefault();
    openPalette();
  } else if (event.key === "Escape") document.body.classList.remove("menu-open");
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", (event) => {
  if (!localStorage.getItem("baotu.theme")) {
    root.dataset.theme = event.matches ? "dark" : "light";
    dispatchEvent(new Event("baotu:theme"));
  }
});
const waiting = setInterval(() => {
  if (!window.Quasar) return;
  clearInterval(waiting);
  window.Quasar.Dark.set(root.dataset.theme === "dark");
}, 50);
setTimeout(() => clearInterval(waiting), 5000);
