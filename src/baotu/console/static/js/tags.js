/** The tag table: any number of rows, of which the browser holds what it shows. Pages come by offset. */
import { Part, assetLink, base, clock, empty, get, grouped, h, query, t, tail, trendLink, unit, when } from "./core.js";
import { openWrite } from "./write.js";
import { live } from "./live.js";
import { Value } from "./shapes.js";
import { quality } from "./words.js";

const PAGE = 200, KEPT = 40, SPARE = 8;

class Tags extends Part {
  start() {
    const asked = new URLSearchParams(location.search);
    this.search = asked.get("search") ?? "";
    this.under = asked.get("under") ?? "";
    this.picked = new Set();
    this.pages = new Map();
    this.rows = new Map();
    this.total = 0;
    this.className = "panel tags";
    this.field = h("input", { class: "box", type: "search", value: this.search, placeholder: t("名称或标题，空格分词 Name or title, words in any order"), "aria-label": t("查找位号 Find tags") });
    this.count = h("span", { class: "muted", role: "status" });
    this.acts = h("span", { class: "bar push" });
    this.space = h("div", { class: "space" });
    this.view = h("div", { class: "rows", tabindex: 0, role: "grid", "aria-label": t("位号 Tags") }, this.space);
    const heads = ["", "位号 Tag", "标题 Title", "值 Value", "限值 Limits", "时间 Time", "设备 Device"];
    this.append(h("header", {}, this.field, this.scope(), this.count, this.acts), h("div", { class: "row head", "aria-hidden": "true" }, heads.map((head) => h("span", {}, t(head)))), this.view);
    let timer;
    this.field.addEventListener("input", () => (clearTimeout(timer), (timer = setTimeout(() => this.look(this.field.value), 120))));
    this.view.addEventListener("scroll", () => this.draw(), { passive: true });
    this.view.addEventListener("keydown", (event) => this.key(event));
    const sized = new ResizeObserver(() => this.measure());
    sized.observe(this.view);
    this.own(() => (sized.disconnect(), this.unwatch?.()));
    this.mark = 0;
    this.choose();
    this.look(this.search);
  }

  scope() {
    if (!this.under) return null;
    return h("a", { class: "chip", href: `${base}/tags`, title: t("去掉这一限制 Remove this restriction") }, this.under, " ✕");
  }

  measure() {
    const height = matchMedia("(max-width: 900px)").matches ? 60 : 36;
    if (height !== this.height) {
      this.height = height;
      this.clear();
    }
    this.space.style.height = `${Math.min(this.total * this.height, 3e7)}px`;
    this.draw();
  }

  clear() {
    for (const row of this.rows.values()) row.el.remove();
    this.rows.clear();
  }

  async look(words) {
    this.search = words.trim();
    this.pages.clear();
    this.clear();
    this.view.scrollTop = 0;
    this.view.querySelector(".empty")?.remove();
    history.replaceState(null, "", `${location.pathname}?${query({ search: this.search, under: this.under })}`.replace(/\?$/, ""));
    const asked = (this.asked = Symbol("search"));
    await this.fetch(0);
    if (asked !== this.asked) return;
    this.querySelector(":scope > .problem") || (this.count.textContent = `${grouped(this.total)} ${t("个位号 tags")}`);
    if (!this.total && this.pages.size) this.view.append(this.search ? empty("没有匹配的位号，换几个字试试。 No tag matches; try other words.") : empty("还没有位号：在配置里写上设备和它的位号表。 No tags yet: configure a device with its tag file.", h("a", { class: "btn main-act", href: `${base}/config` }, t("打开配置 Open the configuration"))));
    this.measure();
  }

  async fetch(page) {
    if (this.pages.has(page)) return;
    this.pages.set(page, null);
    const asked = this.asked;
    try {
      const told = await get(`tags?${query({ search: this.search, under: this.under, limit: PAGE, offset: page * PAGE })}`);
      if (asked !== this.asked) return;
      this.total = told.total;
      this.pages.set(page, told.tags);
      while (this.pages.size > KEPT) this.pages.delete(this.pages.keys().next().value);
      this.draw();
    } catch (error) {
      this.pages.delete(page);
      this.complain(error, () => this.look(this.search));
    }
  }

  draw() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      const first = Math.max(0, Math.floor(this.view.scrollTop / this.height) - SPARE);
      const last = Math.min(this.total, Math.ceil((this.view.scrollTop + this.view.clientHeight) / this.height) + SPARE);
      for (const [n, row] of this.rows) if (n < first || n >= last) (row.el.remove(), this.rows.delete(n));
      clearTimeout(this.soon);
      for (let n = first; n < last; n++) {
        const tag = this.pages.get(Math.floor(n / PAGE))?.[n % PAGE];
        const row = this.rows.get(n);
        if (tag && (!row || !row.tag)) (row?.el.remove(), this.rows.set(n, this.row(n, tag)));
        else if (!tag && !row) this.rows.set(n, this.blank(n));
      }
      this.soon = setTimeout(() => this.settle(first, last), 90); // only where the eye rests
    });
  }

  settle(first, last) {
    for (let page = Math.floor(first / PAGE); page <= Math.floor(Math.max(first, last - 1) / PAGE); page++) if (page * PAGE < this.total) this.fetch(page);
    const names = new Map();
    for (const row of this.rows.values()) if (row.tag) names.set(row.tag.name, row);
    const stop = this.unwatch;
    this.unwatch = live.watch([...names.keys()], (sample, name) => names.get(name)?.show(sample));
    stop?.(); // after the new watch, so that what stays is not asked for again
  }

  row(n, tag) {
    const value = new Value(tag, { bar: true, brief: true });
    const time = h("time", { class: "small muted" });
    const box = h("input", { type: "checkbox", "aria-label": `${t("选中 Select")} ${tag.name}`, onchange: () => this.pick(tag.name, box.checked) });
    box.checked = this.picked.has(tag.name);
    const el = h("div", { class: n === this.mark ? "row mark" : "row", role: "row", style: `transform:translateY(${n * this.height}px);height:${this.height}px` },
      h("label", { class: "tick" }, box),
      h("a", { class: "name", href: trendLink([tag.name]), title: tag.name, tabindex: -1 }, tail(`${tag.asset}/`), h("b", {}, tag.property)),
      h("a", { class: "cut title", href: assetLink(tag.asset), title: t("打开资产 Open the asset"), tabindex: -1 }, t(tag.title) || tag.property),
      h("span", { class: "num val" }, value.el), h("span", { class: "lim", title: tag.low == null && tag.high == null ? "" : `${tag.low ?? "…"} – ${tag.high ?? "…"} ${unit(tag.unit)}` }, value.below),
      time, h("span", { class: "cut dev muted small", title: `${tag.device} ${tag.address}` }, tag.device));
    this.space.append(el);
    const show = (sample) => {
      value.show(sample);
      time.textContent = when(sample.time);
      time.title = `${clock(sample.time, "always")} · ${quality(sample.quality)}`;
    };
    return { el, tag, show };
  }

  blank(n) {
    const el = h("div", { class: "row blank", style: `transform:translateY(${n * this.height}px);height:${this.height}px` }, "…");
    this.space.append(el);
    return { el };
  }

  pick(name, on) {
    this.picked[on ? "add" : "delete"](name);
    this.choose();
  }

  choose() {
    const names = [...this.picked];
    const some = names.length > 0;
    const scope = some ? { tag: names } : this.under ? { under: this.under } : null;
    const only = names.length === 1 && [...this.rows.values()].find((row) => row.tag?.name === names[0])?.tag;
    this.acts.replaceChildren(
      only?.writable ? h("button", { class: "btn", onclick: () => openWrite(only.name) }, t("写入… Write…")) : "",
      some ? h("a", { class: "btn main-act", href: trendLink(names.slice(0, 12)) }, `${t("趋势 Trends")} (${names.length})`) : h("span", { class: "small muted hint" }, t("勾选后看趋势或导出 Tick tags for trends or export")),
      scope ? h("a", { class: "btn", href: `/api/export?${query({ ...scope, start: "-1h", format: "csv" })}`, download: "baotu.csv" }, t("导出一小时 CSV Export an hour as CSV")) : "");
  }

  key(event) {
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 20, PageUp: -20, Home: -1e9, End: 1e9 }[event.key];
    const here = this.rows.get(this.mark);
    if (step) {
      here?.el.classList.remove("mark");
      this.mark = Math.max(0, Math.min(this.total - 1, this.mark + step));
      const top = this.mark * this.height;
      if (top < this.view.scrollTop) this.view.scrollTop = top;
      else if (top + this.height > this.view.scrollTop + this.view.clientHeight) this.view.scrollTop = top + this.height - this.view.clientHeight;
      this.rows.get(this.mark)?.el.classList.add("mark");
    } else if (event.key === "Enter" && here?.tag) location.href = trendLink([here.tag.name]);
    else if (event.key === " " && here?.tag) here.el.querySelector("input").click();
    else return;
    event.preventDefault();
  }
}

customElements.define("bt-tags", Tags);
