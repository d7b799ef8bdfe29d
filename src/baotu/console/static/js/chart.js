/** A trend on ECharts: any range by wheel, drag and pinch, extremes kept, one axis for each unit. */
import { echarts } from "nicegui-echart";
import { clock, get, grouped, query, t, unit } from "./core.js";
import { live } from "./live.js";
import { byTag } from "./shapes.js";

const DASHES = ["solid", "solid", "solid", "solid", "dashed", "dashed", "dashed", "dashed"];
const TEN_YEARS = 10 * 365 * 86400e3;

export const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
export const colour = (n) => token(`--s${(n % 8) + 1}`);

const dot = (n) => `<span style="display:inline-block;margin-right:4px;border-radius:10px;width:10px;height:10px;background-color:${colour(n)}"></span>`;

/** Tags of one unit share an axis; a tag of texts has one of its own. */
const axisOf = (tag) => (tag.kind === "text" ? `text ${tag.name}` : tag.kind === "number" ? unit(tag.unit) : " ");

export class TrendChart extends EventTarget {
  /** tags: rows as the API tells them. span in ms: follows the present unless `fix` is called. */
  constructor(el, tags, span) {
    super();
    Object.assign(this, { el, tags, span, follow: true, from: Date.now() - span, to: Date.now(), points: {}, marks: [], notes: [], offset: 0, before: {} });
    this.chart = echarts.init(el, null, { renderer: "canvas" });
    this.sized = new ResizeObserver(() => (this.chart.resize(), this.plan()));
    this.sized.observe(el);
    this.themed = () => this.build();
    addEventListener("baotu:theme", this.themed);
    this.build();
    this.gestures();
    this.fetch();
    this.unwatch = live.watch(tags.map((tag) => tag.name), (sample, name) => this.add(name, sample));
    this.clock = setInterval(() => this.tick(), 500);
  }

  close() {
    clearInterval(this.clock);
    clearTimeout(this.due);
    this.unwatch();
    this.sized.disconnect();
    removeEventListener("baotu:theme", this.themed);
    this.chart.dispose();
  }

  build() {
    const units = [...new Set(this.tags.map(axisOf))];
    this.words = {};
    for (const tag of this.tags) if (tag.kind === "text") this.words[axisOf(tag)] = this.wordsOf(tag);
    const text = token("--muted"), line = token("--line");
    const narrow = this.el.clientWidth < 560;
    const step = narrow ? 38 : 56;
    const left = Math.ceil(units.length / 2), right = Math.floor(units.length / 2);
    const yAxis = units.map((name, n) => ({
      ...(this.words[name] ? { type: "category", data: this.words[name], name: "" } : { type: "value", scale: true, name }), position: n % 2 ? "right" : "left", offset: Math.floor(n / 2) * step, nameGap: 8,
      nameTextStyle: { color: text, align: n % 2 ? "left" : "right" }, axisLabel: { color: text, hideOverlap: true, fontSize: narrow ? 10 : 12, ...(this.words[name] ? {} : { formatter: grouped }) },
      axisLine: { show: units.length > 1, lineStyle: { color: line } }, splitLine: { show: n === 0, lineStyle: { color: line } }, splitNumber: 4,
    }));
    const only = this.tags.length === 1 ? this.tags[0] : null;
    const limit = (value, name) => (value == null ? null : { yAxis: value, label: { formatter: name, position: "insideEndTop", color: text } });
    const series = this.tags.map((tag, n) => ({
      name: tag.name, type: "line", showSymbol: false, yAxisIndex: units.indexOf(axisOf(tag)), data: this.points[tag.name] ?? [],
      step: tag.kind === "number" ? false : "end", lineStyle: { width: 1.5, type: DASHES[n % 8] }, color: colour(n), emphasis: { disabled: true }, connectNulls: false,
      markLine: only ? { silent: true, symbol: "none", animation: false, lineStyle: { color: token("--mark"), type: "dashed" }, data: [limit(tag.low, t("下限 Low")), limit(tag.high, t("上限 High"))].filter(Boolean) } : undefined,
    }));
    series.push(...this.tags.map((tag, n) => this.earlier(tag, n, units)), this.noted());
    this.chart.setOption({
      animation: false, textStyle: { fontFamily: getComputedStyle(document.body).fontFamily },
      grid: { left: 12 + left * step - (narrow ? 4 : 12), right: right ? 8 + right * step : 16, top: 28, bottom: 28 },
      xAxis: { type: "time", min: this.from, max: this.to, axisLabel: { color: text, hideOverlap: true, fontSize: narrow ? 10 : 12 }, axisLine: { lineStyle: { color: line } }, splitLine: { show: false } },
      yAxis, series, tooltip: { trigger: "axis", confine: true, backgroundColor: token("--raised"), borderColor: token("--line"), textStyle: { color: token("--text"), fontSize: 12 }, axisPointer: { lineStyle: { color: token("--mark") } }, formatter: (rows) => this.tip(rows) },
    }, { notMerge: true });
    this.drawMarks();
  }

  /** The same tag in the period before, laid over: thin, dotted, half as strong. */
  earlier(tag, n, units) {
    return { name: `${tag.name} ←`, type: "line", showSymbol: false, silent: true, yAxisIndex: units.indexOf(axisOf(tag)), data: this.shifted(tag), step: tag.kind === "number" ? false : "end", lineStyle: { width: 1, type: "dotted", opacity: .75 }, color: colour(n), emphasis: { disabled: true }, tooltip: { show: false } };
  }
  shifted(tag) {
    return this.offset && tag.kind !== "text" ? (this.before[tag.name] ?? []).map(([time, value]) => [time + this.offset, value]) : [];
  }

  /** Notes as numbered lines and bands; what they say stands in the list below. */
  noted() {
    const label = (n) => ({ formatter: String(n + 1), position: "insideEndTop", rotate: 0, distance: 2, color: token("--on-accent"), backgroundColor: token("--accent"), padding: [2, 5], borderRadius: 3, fontSize: 12 });
    const lines = this.notes.map((note, n) => ({ xAxis: note.from, label: label(n) }));
    const bands = this.notes.filter((note) => note.to > note.from).map((note) => [{ xAxis: note.from }, { xAxis: note.to }]);
    return { id: "notes", type: "line", data: [], silent: true, tooltip: { show: false },
      markLine: { silent: true, animation: false, symbol: "none", lineStyle: { color: token("--link"), type: "solid", width: 1 }, data: lines },
      markArea: { silent: true, itemStyle: { color: token("--link"), opacity: .12 }, data: bands } };
  }

  /** notes: [{from, to}] in ms, in the order of their numbers. */
  showNotes(notes) {
    this.notes = notes;
    this.chart.setOption({ series: [this.noted()] });
  }

  /** Lay the period `offset` ms earlier over; 0 takes it away. */
  compare(offset) {
    this.offset = offset;
    this.before = {};
    this.paint();
    this.fetch();
    this.dispatchEvent(new Event("range"));
  }

  /** Different texts in the order they came: the steps of their axis. */
  wordsOf(tag) {
    return [...new Set((this.points[tag.name] ?? []).map((point) => point[1]).filter((word) => word !== null))];
  }

  /** The time under the pointer, and what every tag was then. */
  tip(rows) {
    const time = rows[0].axisValue;
    const markers = Object.fromEntries(rows.map((row) => [row.seriesIndex, row.marker]));
    const fraction = this.to - this.from < 60e3 ? `.${String(Math.floor(time) % 1000).padStart(3, "0")}` : "";
    const box = document.createElement("div");
    box.append(clock(time, "always") + fraction);
    this.tags.forEach((tag, n) => {
      const value = this.valueAt(tag.name, time);
      const line = document.createElement("div");
      line.innerHTML = markers[n] ?? dot(n); // drawn by ECharts or here, no text of others
      const text = typeof value === "number" ? String(Number(value.toPrecision(6))) : (value ?? "–");
      line.append(`${t(tag.title) || tag.property} · ${tag.asset.split("/").pop()}: ${text} ${unit(tag.unit)}`);
      box.append(line);
    });
    return box;
  }

  /** Show [from, to] ms, and stay there. */
  fix(from, to) {
    const least = 20, most = TEN_YEARS;
    const width = Math.min(Math.max(to - from, least), most);
    const middle = (from + to) / 2;
    [this.from, this.to] = [middle - width / 2, middle + width / 2];
    this.follow = false;
    this.paint();
    this.plan(performance.now() - (this.asked ?? 0) > 150 ? 0 : 60); // the first turn of the wheel at once
    this.dispatchEvent(new Event("range"));
  }

  /** Show the last `span` ms, and go along. */
  chase(span = this.to - this.from) {
    this.span = span;
    this.follow = true;
    [this.from, this.to] = [Date.now() - span, Date.now()];
    this.paint();
    this.plan(0);
    this.dispatchEvent(new Event("range"));
  }

  paint() {
    if (this.painting) return;
    this.painting = requestAnimationFrame(() => {
      this.painting = 0;
      if (this.tags.some((tag) => tag.kind === "text" && this.wordsOf(tag).length !== this.words[axisOf(tag)].length)) return this.build();
      this.chart.setOption({ xAxis: { min: this.from, max: this.to }, series: [...this.tags.map((tag) => ({ data: this.points[tag.name] ?? [] })), ...this.tags.map((tag) => ({ data: this.shifted(tag) }))] });
      this.drawMarks();
    });
  }

  plan(wait = 150) {
    clearTimeout(this.due);
    this.due = setTimeout(() => this.fetch(), wait);
  }

  async fetch() {
    if (!this.tags.length) return;
    this.abort?.abort();
    this.abort = new AbortController();
    const began = (this.asked = performance.now());
    const [from, to] = [this.from, this.to];
    const slow = Math.max(...this.tags.map((tag) => tag.period_s || 0)) * 2000; // lines go on to both edges
    const pad = Math.max((to - from) * .02, Math.min(slow, 600e3));
    const points = Math.min(2000, Math.max(400, this.el.clientWidth * 2));
    try {
      const { signal } = this.abort;
      const asked = (back) => get(`history?${query({ tag: this.tags.map((tag) => tag.name), start: new Date(from - pad - back).toISOString(), end: new Date(to + pad - back).toISOString(), points, time: "ms" })}`, { signal }).then(byTag);
      const [now, before] = await Promise.all([asked(0), this.offset ? asked(this.offset) : {}]);
      [this.points, this.before] = [now, before];
      this.trueUp = Date.now();
      this.tookMs = performance.now() - began;
      this.paint();
      this.dispatchEvent(new Event("data"));
    } catch (error) {
      if (error.name !== "AbortError") this.dispatchEvent(new CustomEvent("problem", { detail: error }));
    }
  }

  add(name, { time, value, quality }) {
    const points = (this.points[name] ??= []);
    if (points.length && points[points.length - 1][0] >= time) return;
    points.push([time, quality >= 128 ? null : value, quality]);
    this.dispatchEvent(new CustomEvent("latest", { detail: { name, time, value, quality } }));
  }

  tick() {
    if (!this.follow || document.hidden) return;
    [this.from, this.to] = [Date.now() - this.span, Date.now()];
    this.paint();
    if (Date.now() - (this.trueUp ?? 0) > Math.max(10e3, this.span / 200)) (this.trueUp = Date.now()), this.fetch();
  }

  at(x) {
    return this.chart.convertFromPixel({ xAxisIndex: 0 }, x);
  }

  gestures() {
    const down = new Map();
    let start = null;
    this.el.style.touchAction = "pan-y";
    this.el.addEventListener("wheel", (event) => {
      event.preventDefault();
      const here = this.at(event.offsetX);
      const by = Math.exp(Math.max(-1, Math.min(1, event.deltaY / 240)));
      if (event.shiftKey) this.shift(((this.to - this.from) * event.deltaY) / 800);
      else this.fix(here - (here - this.from) * by, here + (this.to - here) * by);
    }, { passive: false });
    this.el.addEventListener("pointerdown", (event) => {
      down.set(event.pointerId, event.offsetX);
      start = { from: this.from, to: this.to, xs: [...down.values()], moved: false };
      this.el.setPointerCapture(event.pointerId);
    });
    this.el.addEventListener("pointermove", (event) => {
      if (!down.has(event.pointerId)) return;
      down.set(event.pointerId, event.offsetX);
      const xs = [...down.values()];
      const perPixel = (start.to - start.from) / Math.max(1, this.el.clientWidth - 80);
      if (xs.length === 1 && start.xs.length === 1) {
        const moved = (start.xs[0] - xs[0]) * perPixel;
        if (Math.abs(start.xs[0] - xs[0]) > 3) (start.moved = true), this.fix(start.from + moved, start.to + moved);
      } else if (xs.length === 2 && start.xs.length === 2) {
        const by = Math.abs(start.xs[0] - start.xs[1]) / Math.max(8, Math.abs(xs[0] - xs[1]));
        const middle = (start.from + start.to) / 2;
        start.moved = true;
        this.fix(middle - (middle - start.from) * by, middle + (start.to - middle) * by);
      }
    });
    const up = (event) => {
      if (down.delete(event.pointerId) && event.type === "pointerup" && start && !start.moved && !down.size) this.markAt(this.at(event.offsetX));
    };
    this.el.addEventListener("pointerup", up);
    this.el.addEventListener("pointercancel", up);
  }

  shift(by) {
    this.fix(this.from + by, this.to + by);
  }

  /** First click sets A, the second B, the third clears both. */
  markAt(time) {
    this.marks = this.marks.length === 2 ? [] : [...this.marks, Math.round(time)].sort((a, b) => a - b);
    this.drawMarks();
    this.dispatchEvent(new Event("marks"));
  }

  drawMarks() {
    const height = this.el.clientHeight;
    const lines = this.marks.map((time, n) => [this.chart.convertToPixel({ xAxisIndex: 0 }, time), "AB"[n]]);
    const graphic = [0, 1].map((n) => {
      const shown = lines[n] && this.marks[n] >= this.from && this.marks[n] <= this.to;
      return { id: `mark${n}`, type: "group", silent: true, x: shown ? lines[n][0] : 0, invisible: !shown, children: [
        { type: "line", shape: { x1: 0, y1: 20, x2: 0, y2: height - 28 }, style: { stroke: token("--text"), lineWidth: 1 }, invisible: !shown },
        { type: "text", style: { text: "AB"[n], x: 3, y: 18, fill: token("--text"), font: "600 12px system-ui" }, invisible: !shown }] };
    });
    const none = Boolean(this.tookMs) && !this.tags.some((tag) => this.points[tag.name]?.length);
    const said = { text: t("这段时间没有采样。 No samples in this time."), fill: token("--muted"), font: "14px system-ui", align: "center" };
    graphic.push({ id: "none", type: "text", silent: true, left: "center", top: "45%", invisible: !none, style: said });
    this.chart.setOption({ graphic });
  }

  valueAt(name, time) {
    let found = null;
    for (const point of this.points[name] ?? []) {
      if (point[0] > time) break;
      found = point[1];
    }
    return found;
  }
}
