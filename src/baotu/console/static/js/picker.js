/** Choose one tag by words; resolves its name, or null when given up. */
import { get, h, query, t, unit } from "./core.js";

export function openTagPicker(taken = []) {
  return new Promise((resolve) => {
    const list = h("ul", { role: "listbox" });
    const field = h("input", { type: "text", role: "combobox", "aria-expanded": "true", placeholder: t("查找位号 Find tags"), "aria-label": t("查找位号 Find tags"), autocomplete: "off" });
    const box = h("dialog", { class: "palette" }, field, list);
    let chosen = null;
    const choose = (name) => ((chosen = name), box.close());
    const look = async () => {
      const told = await get(`tags?${query({ search: field.value, limit: 30 })}`).catch(() => ({ tags: [] }));
      const rows = told.tags.filter((tag) => !taken.includes(tag.name)).map((tag, n) => h("li", { role: "option", "aria-selected": String(!n), onclick: () => choose(tag.name) }, h("span", { class: "cut" }, t(tag.title) || tag.property, h("span", { class: "muted small" }, `  ${tag.name}`)), h("small", {}, unit(tag.unit))));
      list.replaceChildren(...(rows.length ? rows : [h("p", { class: "empty" }, t("没有匹配的位号。 No tag matches."))]));
    };
    field.addEventListener("input", look);
    field.addEventListener("keydown", (event) => {
      const items = [...list.querySelectorAll("li")];
      const at = items.findIndex((i) => i.getAttribute("aria-selected") === "true");
      if (event.key === "Enter") (event.preventDefault(), items[at]?.click()); // else the same key sends the form that opens
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (!step || !items.length) return;
      event.preventDefault();
      items[at]?.setAttribute("aria-selected", "false");
      const to = items[(at + step + items.length) % items.length];
      to.setAttribute("aria-selected", "true");
      to.scrollIntoView({ block: "nearest" });
    });
    box.addEventListener("click", (event) => event.target === box && box.close());
    box.addEventListener("close", () => (box.remove(), resolve(chosen)));
    document.body.append(box);
    box.showModal();
    look();
  });
}
