/** The page Trends: tags by address, spans, statistics, two cursors, sharing. */
import { Part, base, clock, empty, get, h, number, query, t, tail, toast, unit } from "./core.js";
import { TrendChart, colour } from "./chart.js";
import { openTagPicker } from "./picker.js";
import { spaced } from "./words.js";

const SPANS = [["1 min", 60e3], ["15 min", 900e3], ["1 h", 3600e3], ["8 h", 288e5], ["1 d", 864e5], ["7 d", 6048e5], ["30 d", 2592e6], ["1 a", 31536e6]];
const WORDS = { min: "分 min", h: "时 h", d: "天 d", a: "年 y" };
const MOST = 12;

class Trends extends Part {
  async start() {
    this.className = "trends stack";
    const asked = new URLSearchParams(location.search);
    this.names = [...new Set(asked.getAll("tag"))].slice(0, MOST);
    this.head = h("div", { class: "bar" });
    this.stage = h("div", { class: "stage" });
    this.table = h("div", { class: "panel wide" });
    this.append(h("section", { class: "panel chartbox" }, this.head, this.stage), this.table);
    this.own(() => this.chart?.close());
    await this.load(asked);
  }

  async load(asked) {
    const told = await Promise.allSettled(this.names.map((name) => tagOf(name)));
    this.tags = told.filter((one) => one.status === "fulfilled").map((one) => one.value);
    const wrong = told.find((one) => one.status === "rejected");
    if (wrong) this.complain(wrong.reason);
    this.names = this.tags.map((tag) => tag.name);
    this.chart?.close();
    this.chart = null;
    this.stage.replaceChildren();
    this.table.hidden = !this.tags.length;
    if (!this.tags.length) {
      this.stage.append(empty("还没有选位号。选一个或几个，趋势会随现在走。 No tag chosen. Choose some; the trend follows the present.", this.adder("btn main-act")));
      return this.bar();
    }
    const from = Date.parse(asked?.get("start")), to = Date.parse(asked?.get("end"));
    const span = Number(asked?.get("span")) || this.span || 3600e3;
    this.chart = new TrendChart(this.stage, this.tags, span);
    if (from < to) this.chart.fix(from, to);
    const chart = this.chart;
    chart.addEventListener("range", () => (this.bar(), this.address(), this.plan()));
    chart.addEventListener("marks", () => this.draw());
    chart.addEventListener("latest", () => this.drawSoon());
    chart.addEventListener("data", () => (this.querySelector(":scope > .problem")?.remove(), this.draw()));
    chart.addEventListener("problem", (event) => this.complain(event.detail, () => chart.fetch()));
    this.bar();
    this.address();
    this.draw();
    this.plan();
  }

  adder(name = "btn") {
    return h("button", { class: name, onclick: async () => { const chosen = await openTagPicker(this.names); if (chosen) this.change([...this.names, chosen]); } }, "+ ", t("位号 Tag"));
  }

  change(names) {
    if (names.length > MOST) return toast(`${t("最多 At most")} ${MOST}`, true);
    this.span = this.chart?.to - this.chart?.from || 3600e3;
    const range = this.chart && !this.chart.follow ? new URLSearchParams({ start: new Date(this.chart.from).toISOString(), end: new Date(this.chart.to).toISOString() }) : null;
    this.names = names;
    this.stats = null;
    this.load(range);
  }

  bar() {
    const chart = this.chart;
    if (!chart) return this.head.replaceChildren();
    const width = chart.to - chart.from;
    this.head.replaceChildren(
      h("button", { class: "btn", "aria-pressed": String(chart.follow), onclick: () => (chart.follow ? chart.fix(chart.from, chart.to) : chart.chase()) }, chart.follow ? "● " : "○ ", t("跟随 Follow")),
      h("span", { class: "bar spans", role: "group", "aria-label": t("时间跨度 Span") }, SPANS.map(([name, ms]) => h("button", { class: "btn", "aria-pressed": String(Math.abs(width - ms) < ms * .01), onclick: () => chart.chase(ms) }, name.replace(/[a-z]+/, (word) => t(WORDS[word]))))),
      h("span", { class: "bar push" },
        h("span", { class: "small muted range" }, `${clock(chart.from, "always")} – ${clock(chart.to)}`),
        this.adder(),
        h("button", { class: "btn", onclick: () => this.share() }, t("分享 Share")),
        h("a", { class: "btn", href: this.file(), download: "baotu.csv" }, "CSV")));
  }

  range() {
    return { start: new Date(this.chart.from).toISOString(), end: new Date(this.chart.to).toISOString() };
  }
  file() {
    return `/api/export?${query({ tag: this.names, ...this.range(), format: "csv" })}`;
  }
  address() {
    const range = this.chart.follow ? { span: Math.round(this.chart.span) } : this.range();
    history.replaceState(null, "", `${location.pathname}?${query({ tag: this.names, ...range })}`);
  }
  async share() {
    const fixed = `${location.origin}${location.pathname}?${query({ tag: this.names, ...this.range() })}`;
    await navigator.clipboard?.writeText(fixed).catch(() => {});
    toast(t("此时段的地址已复制 The address of this range has been copied"));
  }

  /** Exact figures over the range come from the history, not from the pixels. */
  plan() {
    clearTimeout(this.due);
    this.due = setTimeout(async () => {
      const numbers = this.tags.filter((tag) => tag.kind !== "text").map((tag) => tag.name);
      if (!numbers.length || !this.chart) return;
      const seconds = Math.max(0.001, Math.ceil(this.chart.to - this.chart.from) / 1000);
      const told = await get(`history?${query({ tag: numbers, ...this.range(), bucket: `${seconds}s`, time: "ms" })}`).catch(() => null);
      if (!told) return;
      this.stats = {};
      told.tag.forEach((name, n) => {
        const one = (this.stats[name] ??= { low: Infinity, high: -Infinity, sum: 0, count: 0 });
        one.low = Math.min(one.low, told.low[n]);
        one.high = Math.max(one.high, told.high[n]);
        one.sum += told.total[n];
        one.count += told.count[n];
      });
      this.draw();
    }, 350);
  }

  drawSoon() {
    this.soon ??= setTimeout(() => ((this.soon = null), this.draw()), 500);
  }

  draw() {
    if (!this.chart) return;
    const [a, b] = this.chart.marks;
    const heads = ["位号 Tag", "现值 Now", "最低 Low", "最高 High", "平均 Mean", "个数 Count", ...(a ? ["A"] : []), ...(b ? ["B", "B − A"] : []), ""];
    const rows = this.tags.map((tag, n) => {
      const one = this.stats?.[tag.name];
      const at = (time) => this.chart.valueAt(tag.name, time);
      const now = this.chart.points[tag.name]?.at(-1)?.[1];
      const cells = [now, one?.low, one?.high, one && one.sum / one.count].map((v, n) => cell(heads[n + 1], number(v, tag)));
      const marks = [a && at(a), b && at(b), b && typeof at(b) === "number" ? at(b) - at(a) : null].slice(0, a ? (b ? 3 : 1) : 0);
      return h("tr", {}, h("td", { class: "first" }, h("span", { class: "key-line" }, h("i", { style: `border-top:3px ${n > 3 ? "dashed" : "solid"} ${colour(n)}` }), h("span", { class: "grow" }, h("span", {}, t(tag.title) || tag.property, h("span", { class: "unit" }, unit(tag.unit))), h("a", { class: "small muted", href: `${base}/asset/${tag.asset}` }, tail(tag.asset))))),
        cells, cell(heads[5], one ? spaced(one.count, 0) : "–"), marks.map((v, n) => cell(heads[6 + n], number(v, tag))),
        h("td", { class: "tight" }, h("button", { class: "tool", title: t("移去 Remove"), "aria-label": `${t("移去 Remove")} ${tag.name}`, onclick: () => this.change(this.names.filter((name) => name !== tag.name)) }, "✕")));
    });
    const marks = a ? `A ${clock(a, "always")}${b ? ` · B ${clock(b, "always")} · Δ ${((b - a) / 1000).toLocaleString()} s` : ""}` : t("点一下图设游标 A，再点设 B；滚轮缩放，拖动平移。 Click the chart for cursor A, again for B; wheel to zoom, drag to move.");
    this.table.replaceChildren(h("table", { class: "grid stackable" }, h("thead", {}, h("tr", {}, heads.map((head, n) => h("th", { class: n ? "num" : "" }, t(head))))), h("tbody", {}, rows)), h("p", { class: "small muted", style: "margin-top:8px" }, marks));
  }
}

const cell = (head, text) => h("td", { class: "num", "data-head": t(head) }, text);

const tagOf = async (name) => {
  const found = (await get(`tags?${query({ search: name, limit: 50 })}`)).tags.find((tag) => tag.name === name);
  if (found) return found;
  await get(`latest?${query({ tag: name })}`); // its refusal names the nearest tag
  throw new Error(`${t("没有这个位号 There is no such tag")}: ${name}`);
};

customElements.define("bt-trends", Trends);
