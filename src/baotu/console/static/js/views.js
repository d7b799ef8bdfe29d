/** Words of an app's page that are drawn here: table, tiles, form. What they say comes as JSON. */
import { Part, clock, grouped, h, link, number, send, t, tail, toast, unit } from "./core.js";
import { given, inputFor, openForm } from "./form.js";

const told = (el) => JSON.parse(el.dataset.about);
const MOST = 50;

class Table extends Part {
  start() {
    Object.assign(this, told(this), { shown: MOST, by: null, up: true });
    this.draw();
  }
  draw() {
    const rows = this.rows.map((cells, n) => ({ cells, link: this.links[n] }));
    if (this.by !== null) {
      const key = (row) => row.cells[this.by];
      rows.sort((a, b) => (key(a) > key(b) ? 1 : key(a) < key(b) ? -1 : 0) * (this.up ? 1 : -1));
    }
    const numeric = this.columns.map((_, n) => this.rows.length > 0 && this.rows.every((row) => row[n] === null || typeof row[n] === "number"));
    this.decimals = this.columns.map((_, n) => (numeric[n] ? Math.max(0, ...this.rows.map((row) => fraction(row[n]))) : 0));
    const heads = this.columns.map((name, n) => h("th", { class: numeric[n] ? "num" : "", "aria-sort": this.by === n ? (this.up ? "ascending" : "descending") : null },
      h("button", { class: "sort", onclick: () => ((this.up = this.by === n ? !this.up : true), (this.by = n), this.draw()) }, t(name), this.by === n ? (this.up ? " ▲" : " ▼") : "")));
    if (this.actions.length) heads.push(h("th", {}));
    const more = rows.length - this.shown;
    this.replaceChildren(rows.length ? h("div", { class: "wide" }, h("table", { class: "grid stackable" }, h("thead", {}, h("tr", {}, heads)), h("tbody", {}, rows.slice(0, this.shown).map((row) => this.row(row, numeric))))) : h("p", { class: "empty" }, t("还没有内容。 Nothing here yet.")),
      more > 0 ? h("button", { class: "btn", style: "margin-top:8px", onclick: () => ((this.shown += 500), this.draw()) }, `+ ${more}`) : "");
  }
  row({ cells, link: to }, numeric) {
    const shown = cells.map((cell, n) => {
      const text = cell === null ? "–" : typeof cell === "number" ? grouped(cell.toFixed(numeric[n] ? this.decimals[n] : fraction(cell))) : dated(cell);
      if (n === 0) return h("td", { class: "first" }, to ? h("a", { href: link(to) }, to.startsWith("/asset/") ? tail(text) : text) : text);
      return h("td", { class: numeric[n] ? "num" : "", "data-head": t(this.columns[n]) }, text);
    });
    if (this.actions.length) shown.push(h("td", { class: "tight" }, h("span", { class: "end" }, this.actions.map((act) => h("button", { class: "btn", onclick: () => openForm(act.verb, {}, Object.fromEntries(act.arguments.map(([name, n]) => [name, cells[n]])), act.arguments.map(([, n]) => String(cells[n])).join(" · ")) }, t(act.verb.title))))));
    return h("tr", {}, shown);
  }
}

function dated(text) {
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d/.test(text)) return t(String(text));
  return clock(text, "always");
}
/** Decimals a number needs, three at most; a column takes the most of its numbers. */
const fraction = (value) => (typeof value === "number" ? (String(Number(value.toFixed(3))).split(".")[1] ?? "").length : 0);

class Tiles extends Part {
  start() {
    const { tiles } = told(this);
    this.replaceChildren(h("div", { class: "tiles" }, tiles.map((tile) => {
      const way = typeof tile.value === "number" ? (tile.high !== null && tile.value > tile.high ? "↑" : tile.low !== null && tile.value < tile.low ? "↓" : "") : "";
      const text = typeof tile.value === "number" ? number(tile.value, { low: null, high: null }) : t(String(tile.value ?? "–"));
      const range = tile.low !== null || tile.high !== null ? h("span", { class: "small muted" }, `${tile.low ?? "…"} – ${tile.high ?? "…"}`) : null;
      const inside = [h("span", { class: "muted cut" }, t(tile.title)), h("span", { class: "big" }, h("span", { class: way ? "value out" : "value", "data-way": way }, text), h("span", { class: "unit" }, unit(tile.unit))), range];
      return tile.link ? h("a", { class: "tile", href: link(tile.link) }, inside) : h("div", { class: "tile" }, inside);
    })));
  }
}

class Form extends Part {
  start() {
    const { verb, values } = told(this);
    const fields = {};
    this.key = crypto.randomUUID?.() ?? String(Math.random());
    const refused = h("p", { class: "problem", hidden: true, role: "alert" });
    const rows = Object.entries(verb.takes.properties ?? {}).map(([name, schema]) => {
      const input = inputFor(schema, values[name] ?? schema.default);
      const why = h("small", {});
      const row = h("label", { class: "field" }, h("span", {}, t(schema.title) || name), input, why);
      fields[name] = { input, row, why, schema };
      return row;
    });
    const act = h("button", { class: "btn main-act", type: "submit" }, t(verb.title) || verb.name);
    const form = h("form", { class: "inline-form" }, ...rows, refused, h("div", {}, act));
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (verb.kind === "page") return (location.href = link(`/app/${verb.app}/${verb.name}?${new URLSearchParams(given(fields))}`));
      for (const f of Object.values(fields)) (f.row.classList.remove("wrong"), (f.why.textContent = ""));
      refused.hidden = true;
      act.disabled = true;
      try {
        await send(`${verb.app}/${verb.name}`, given(fields), "POST", this.key);
        this.key = crypto.randomUUID?.() ?? String(Math.random());
        toast(t("完成 Done"));
      } catch (error) {
        const field = fields[error.field];
        if (field) (field.row.classList.add("wrong"), (field.why.textContent = t(error.message)), field.input.focus());
        else ((refused.hidden = false), (refused.textContent = t(error.message)));
      }
      act.disabled = false;
    });
    this.replaceChildren(form);
  }
}

customElements.define("bt-table", Table);
customElements.define("bt-tiles", Tiles);
customElements.define("bt-form", Form);
