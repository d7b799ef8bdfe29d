/** The page Trends: tags by address or dropped, spans, periods before, notes, cursors, sharing. */
import { Part, clock, empty, get, h, query, t, toast } from "./core.js";
import { TrendChart } from "./chart.js";
import { Notes, periods } from "./notes.js";
import { openTagPicker } from "./picker.js";
import { trendTable } from "./trendtable.js";

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
    [this.stats, this.before] = [{}, {}];
    this.notes = new Notes(this);
    this.append(h("section", { class: "panel chartbox" }, this.head, this.stage), this.table, this.notes.el);
    this.droppable();
    this.notes.ready.then(() => this.bar());
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
    this.chart.marks = asked ? ["a", "b"].map((name) => Date.parse(asked.get(name))).filter((time) => time > 0) : [];
    const offset = Number(asked?.get("compare")) || 0;
    if (offset > 0) this.chart.compare(offset);
    if (from < to) this.chart.fix(from, to);
    const chart = this.chart;
    chart.addEventListener("range", () => (this.bar(), this.address(), this.plan()));
    chart.addEventListener("marks", () => (this.address(), this.draw()));
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
    const asked = this.chart ? new URLSearchParams(query(this.state())) : null;
    this.names = names;
    this.load(asked);
  }

  bar() {
    const chart = this.chart;
    if (!chart) return this.head.replaceChildren();
    const width = chart.to - chart.from;
    this.head.replaceChildren(
      h("button", { class: "btn", "aria-pressed": String(chart.follow), onclick: () => (chart.follow ? chart.fix(chart.from, chart.to) : chart.chase()) }, chart.follow ? "● " : "○ ", t("跟随 Follow")),
      h("span", { class: "bar spans", role: "group", "aria-label": t("时间跨度 Span") }, SPANS.map(([name, ms]) => h("button", { class: "btn", "aria-pressed": String(Math.abs(width - ms) < ms * .01), onclick: () => chart.chase(ms) }, name.replace(/[a-z]+/, (word) => t(WORDS[word]))))),
      h("span", { class: "bar push" }, [
        h("span", { class: "small muted range" }, `${clock(chart.from, "always")} – ${clock(chart.to)}`),
        periods(chart.offset, (ms) => (ms === null ? this.bar() : chart.compare(ms))),
        this.notes.button(), this.adder(),
        h("button", { class: "btn", onclick: () => this.share() }, t("分享 Share")),
        h("a", { class: "btn", href: this.file(), download: "baotu.csv" }, "CSV")].filter(Boolean)));
  }

  range() {
    return { start: new Date(this.chart.from).toISOString(), end: new Date(this.chart.to).toISOString() };
  }
  file() {
    return `/api/export?${query({ tag: this.names, ...this.range(), format: "csv" })}`;
  }
  /** Everything that makes this picture, for its address. */
  state(fixed = !this.chart.follow) {
    const { chart } = this;
    const [a, b] = chart.marks.map((time) => new Date(time).toISOString());
    return { tag: this.names, ...(fixed ? this.range() : { span: Math.round(chart.span) }), compare: chart.offset || "", a, b };
  }
  address() {
    history.replaceState(null, "", `${location.pathname}?${query(this.state())}`);
  }
  async share() {
    const fixed = `${location.origin}${location.pathname}?${query(this.state(true))}`;
    await navigator.clipboard?.writeText(fixed).catch(() => {});
    toast(t("此时段的地址已复制 The address of this range has been copied"));
  }

  /** Exact figures over the range come from the history, not from the pixels. */
  plan() {
    clearTimeout(this.due);
    this.due = setTimeout(async () => {
      const { chart, names } = this;
      if (!names.length || !chart) return;
      this.notes.load();
      const asked = (back) => get(`statistics?${query({ tag: names, start: new Date(chart.from - back).toISOString(), end: new Date(chart.to - back).toISOString() })}`).then(rowsOf);
      const told = await Promise.all([asked(0), chart.offset ? asked(chart.offset) : {}]).catch(() => null);
      if (!told || chart !== this.chart) return;
      [this.stats, this.before] = told;
      this.draw();
    }, 350);
  }

  drawSoon() {
    this.soon ??= setTimeout(() => ((this.soon = null), this.draw()), 500);
  }

  draw() {
    if (this.chart) this.table.replaceChildren(...trendTable(this, (name) => this.change(this.names.filter((one) => one !== name))));
  }

  /** Tags and assets dropped here, or pressed in the tree, are shown besides. */
  async take({ tag, asset }) {
    const found = tag ? [tag] : (await get(`tags?${query({ under: asset, limit: 200 })}`)).tags.filter((one) => one.kind === "number").map((one) => one.name);
    const fresh = found.filter((name) => !this.names.includes(name));
    if (!fresh.length) return toast(t(tag ? "已在图上 Already shown" : "这里没有可画的位号 Nothing to draw here"));
    this.change([...this.names, ...fresh].slice(0, Math.max(MOST, this.names.length + (tag ? 1 : 0))));
  }

  droppable() {
    const kinds = { tag: "text/baotu-tag", asset: "text/baotu-asset" };
    const has = (event) => Object.values(kinds).some((kind) => event.dataTransfer.types.includes(kind));
    this.addEventListener("dragover", (event) => has(event) && (event.preventDefault(), this.classList.add("over")));
    this.addEventListener("dragleave", () => this.classList.remove("over"));
    this.addEventListener("drop", (event) => {
      this.classList.remove("over");
      if (!has(event)) return;
      event.preventDefault();
      this.take({ tag: event.dataTransfer.getData(kinds.tag), asset: event.dataTransfer.getData(kinds.asset) });
    });
    const pressed = (event) => this.take(event.detail);
    addEventListener("baotu:take", pressed);
    this.own(() => removeEventListener("baotu:take", pressed));
  }
}

const rowsOf = ({ statistics }) => Object.fromEntries(statistics.map((row) => [row.tag, row]));

const tagOf = async (name) => {
  const found = (await get(`tags?${query({ search: name, limit: 50 })}`)).tags.find((tag) => tag.name === name);
  if (found) return found;
  await get(`latest?${query({ tag: name })}`); // its refusal names the nearest tag
  throw new Error(`${t("没有这个位号 There is no such tag")}: ${name}`);
};

customElements.define("bt-trends", Trends);
