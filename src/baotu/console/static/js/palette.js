/** Search over pages, assets, tags and commands: Ctrl-K or /. */
import { assetLink, base, get, h, link, t, unit } from "./core.js";
import { openForm } from "./form.js";

let open = null;

export async function openPalette() {
  if (open?.open) return open.querySelector("input").select();
  const pages = [...document.querySelectorAll(".pages a")].map((a) => ({ text: a.textContent.trim(), other: a.dataset.title ?? "", kind: "页面 Page", go: a.getAttribute("href") }));
  const list = h("ul", { role: "listbox", id: "found" });
  const field = h("input", { type: "text", role: "combobox", "aria-expanded": "true", placeholder: t("查找资产、位号、页面、命令 Find assets, tags, pages, commands"), "aria-label": t("查找 Search"), "aria-controls": "found", autocomplete: "off" });
  const box = h("dialog", { class: "palette", "aria-label": t("查找 Search") }, field, list);
  open = box;
  box.addEventListener("close", () => (box.remove(), open === box && (open = null)));
  box.addEventListener("click", (event) => event.target === box && box.close());
  document.body.append(box);
  box.showModal();
  const verbs = get("verbs").then((told) => told.verbs, () => []);
  let asked = 0;
  const look = async () => {
    const words = field.value.trim();
    const mine = ++asked;
    const told = words ? get(`search?${new URLSearchParams({ q: words, limit: 8 })}`).catch(() => ({ assets: [], tags: [] })) : { assets: [], tags: [] };
    const [found, known] = await Promise.all([told, verbs]);
    if (mine !== asked) return;
    show(list, [...fits(pages, words), ...fits(known.filter((v) => v.kind !== "query").map(asRow), words).slice(0, 8), ...found.assets.map(assetRow), ...found.tags.map(tagRow)], words, box);
  };
  field.addEventListener("input", look);
  field.addEventListener("keydown", (event) => move(event, list));
  look();
}

const fits = (rows, words) => rows.filter((row) => words.toLowerCase().split(/\s+/).every((w) => `${row.text} ${row.other}`.toLowerCase().includes(w)));
const asRow = (verb) => ({
  text: t(verb.title), other: `${verb.title} ${verb.app} ${verb.name}`, kind: verb.kind === "page" ? "应用页面 App page" : "命令 Command",
  go: verb.kind === "page" ? link(`/app/${verb.app}/${verb.name}`) : null, run: () => openForm(verb),
});
const assetRow = (a) => ({ text: t(a.title) || a.path.split("/").pop(), other: a.path, kind: "资产 Asset", go: assetLink(a.path), detail: a.path });
const tagRow = (tag) => ({ text: t(tag.title) || tag.property, kind: "位号 Tag", go: `${base}/trends?${new URLSearchParams({ tag: tag.name })}`, detail: `${tag.name}${tag.unit ? " · " + unit(tag.unit) : ""}` });

function show(list, rows, words, box) {
  const items = rows.map((row, n) => h("li", { role: "option", "aria-selected": String(n === 0), onclick: () => go(row, box) },
    h("span", { class: "cut" }, row.text, row.detail ? h("span", { class: "muted small" }, `  ${row.detail}`) : null), h("small", {}, t(row.kind))));
  list.replaceChildren(...(items.length ? items : [h("p", { class: "empty" }, `${t("没有找到 Nothing found for")} «${words}»`)]));
}

function go(row, box) {
  box.close();
  if (row.go) location.href = row.go;
  else row.run();
}

function move(event, list) {
  const items = [...list.querySelectorAll("li")];
  const at = items.findIndex((i) => i.getAttribute("aria-selected") === "true");
  if (event.key === "Enter") items[at]?.click();
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step || !items.length) return;
  event.preventDefault();
  const to = (at + step + items.length) % items.length;
  items[at]?.setAttribute("aria-selected", "false");
  items[to].setAttribute("aria-selected", "true");
  items[to].scrollIntoView({ block: "nearest" });
}
