/** Search over pages, commands, alarms, assets and tags: Ctrl-K or /. The server finds, by pinyin too. */
import { assetLink, base, get, h, link, problem, t, tail, trendLink, unit } from "./core.js";
import { openForm } from "./form.js";
import { shape } from "./shapes.js";

let open = null;

export async function openPalette() {
  if (open?.open) return open.querySelector("input").select();
  const list = h("ul", { role: "listbox", id: "found" });
  const field = h("input", { type: "text", role: "combobox", "aria-expanded": "true", placeholder: t("查找：汉字、拼音（wd、wendu） Find assets, tags, alarms, pages, commands"), "aria-label": t("查找 Search"), "aria-controls": "found", autocomplete: "off" });
  const box = h("dialog", { class: "palette", "aria-label": t("查找 Search") }, field, list);
  open = box;
  box.addEventListener("close", () => (box.remove(), open === box && (open = null)));
  box.addEventListener("click", (event) => event.target === box && box.close());
  document.body.append(box);
  box.showModal();
  let asked = 0;
  const look = async () => {
    const words = field.value.trim();
    const mine = ++asked;
    try {
      const found = await get(`search?${new URLSearchParams({ q: words, limit: 8 })}`);
      if (mine === asked) show(list, rowsOf(found), words, box);
    } catch (error) {
      if (mine === asked) list.replaceChildren(problem(error, look));
    }
  };
  field.addEventListener("input", look);
  field.addEventListener("keydown", (event) => move(event, list));
  look();
}

const rowsOf = ({ pages, verbs, assets, tags, alarms }) => [...pages.map(pageRow), ...verbs.map(verbRow), ...assets.map(assetRow), ...tags.map(tagRow), ...alarms.map(alarmRow)];
const pageRow = ({ page, title }) => ({ text: t(title), kind: "页面 Page", go: base + page });
const verbRow = (verb) => ({
  text: t(verb.title) || verb.name, detail: verb.app, kind: verb.kind === "page" ? "应用页面 App page" : "命令 Command",
  go: verb.kind === "page" ? link(`/app/${verb.app}/${verb.name}`) : null, run: () => openForm(verb),
});
const assetRow = (a) => ({ text: t(a.title) || a.path.split("/").pop(), kind: "资产 Asset", go: assetLink(a.path), detail: a.path });
const tagRow = (tag) => ({ text: t(tag.title) || tag.property, kind: "位号 Tag", go: trendLink([tag.name]), detail: tag.name, unit: unit(tag.unit) });
const alarmRow = (alarm) => ({ text: t(alarm.message), kind: "报警 Alarm", go: `${base}/alarms?alarm=${alarm.id}`, detail: alarm.asset, mark: shape(alarm.priority, alarm.hidden) });

function show(list, rows, words, box) {
  const items = rows.map((row, n) => h("li", { role: "option", "aria-selected": String(n === 0), onclick: () => go(row, box) }, row.mark,
    h("span", { class: "text" }, h("span", { class: "cut" }, row.text), row.unit ? h("span", { class: "unit" }, row.unit) : null, row.detail ? tail(row.detail) : null), h("small", {}, t(row.kind))));
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
  if (event.key === "Enter") (event.preventDefault(), items[at]?.click()); // else the same key sends the form that opens
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step || !items.length) return;
  event.preventDefault();
  const to = (at + step + items.length) % items.length;
  items[at]?.setAttribute("aria-selected", "false");
  items[to].setAttribute("aria-selected", "true");
  items[to].scrollIntoView({ block: "nearest" });
}
