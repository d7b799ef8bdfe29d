/** Shapes that mean: alarm priorities, states, a value against its limits, a sparkline. */
import { clock, get, h, number, query, svg, t, unit } from "./core.js";
import { STATES, quality, reason } from "./words.js";

const OUTLINES = {
  1: "M9 1 L17.5 16.5 H.5 Z", // ▲
  2: "M9 .5 L17.5 9 L9 17.5 L.5 9 Z", // ◆
  3: "M9 1 a8 8 0 1 1 0 16 a8 8 0 1 1 0 -16 Z", // ●
  4: "M2 2 H16 V16 H2 Z", // ■
};
export const PRIORITY = { 1: "紧急 Urgent", 2: "高 High", 3: "中 Medium", 4: "低 Low" };

/** Priority as colour, shape and number: none of them alone. */
export function shape(priority, shelved = false) {
  const text = svg("text", { x: 9, y: priority === 1 ? 14.5 : 12.5 });
  text.textContent = priority;
  return svg("svg", { class: shelved ? "shape shelved" : "shape", viewBox: "0 0 18 18", role: "img", "aria-label": t(PRIORITY[priority]) },
    svg("path", { d: OUTLINES[priority], class: `p${priority}` }), text);
}

/** some: leave out those of which there are none. */
export function tallies(counts, some = false) {
  return h("span", { class: "tallies" }, counts.map((count, at) => some && !count ? null :
    h("span", { class: count ? "tally" : "tally none", title: t(PRIORITY[at + 1]) }, shape(at + 1), String(count))));
}

export function state(name) {
  const marks = {
    up: svg("circle", { cx: 7, cy: 7, r: 5, fill: "none", stroke: "var(--mark)", "stroke-width": 1.5 }),
    starting: svg("circle", { cx: 7, cy: 7, r: 5, fill: "none", stroke: "var(--mark)", "stroke-width": 1.5, "stroke-dasharray": "3 2" }),
    degraded: svg("circle", { cx: 7, cy: 7, r: 6, fill: "var(--p3)", stroke: "var(--text)", "stroke-width": .5 }),
    down: svg("path", { d: "M7 .5 L13.5 13 H.5 Z", fill: "var(--p1)" }),
    off: svg("path", { d: "M2 7 H12", stroke: "var(--mark)", "stroke-width": 2 }),
  };
  return h("span", { class: "state" }, svg("svg", { viewBox: "0 0 14 14", "aria-hidden": "true" }, marks[name] ?? marks.off), t(STATES[name] ?? name));
}

/**
 * A value in place: number, unit, quality, and whether it lies beyond its limits. `below` goes under
 * it: where it stands between the limits, or, when it is bad, why and since when.
 */
export class Value {
  constructor(tag, about = {}) {
    this.tag = tag;
    this.brief = about.brief;
    this.text = h("span", { class: "value" }, "–");
    this.bar = about.bar && tag.low != null && tag.high != null ? new Limits(tag) : null;
    this.why = h("span", { class: "reason small cut", hidden: true });
    this.below = h("span", { class: "below" }, this.bar?.el, this.why);
    this.el = about.unit === false ? this.text : h("span", { class: "cut" }, this.text, h("span", { class: "unit" }, unit(tag.unit)));
  }
  show({ value, quality: code, time }) {
    const { low, high } = this.tag;
    const way = typeof value === "number" && code < 128 ? (high != null && value > high ? "↑" : low != null && value < low ? "↓" : "") : "";
    const known = code >= 128 && value === null ? this.good : value;
    const name = `value${code >= 128 ? (known === null || known === undefined || known === "" ? " bad none" : " bad") : code >= 64 ? " uncertain" : ""}${way ? " out" : ""}${this.tag.kind === "text" ? " words" : ""}`;
    const text = number(known, this.tag);
    if (code < 128) this.good = value;
    this.sample = { value, quality: code, time };
    if (this.text.textContent !== text) this.text.textContent = text;
    if (this.text.className !== name) this.text.className = name;
    this.text.dataset.way = way;
    this.text.title = `${code ? quality(code) + " · " : ""}${clock(time, "always")}`;
    const bad = code >= 128;
    if (bad) this.told(code, time);
    else this.bar?.show(value, way);
    this.why.hidden = !bad;
    this.below.classList.toggle("bad", bad);
  }
  /** The last good one of [[ms, value]], to be struck through while there is none. */
  remember(points = []) {
    const last = points.findLast((point) => point[1] !== null)?.[1];
    if (last === undefined || this.good !== undefined) return;
    this.good = last;
    if (this.sample?.quality >= 128) this.show(this.sample);
  }
  /** Bad: the reason in words, and since when, as long as the reason stays the same. */
  told(code, time) {
    if (this.code !== code || this.why.hidden) [this.code, this.since] = [code, time];
    const text = this.brief ? reason(code) : `${reason(code)}${t(`，${clock(this.since)} 起 , since ${clock(this.since)}`)}`;
    if (this.why.textContent !== text) [this.why.textContent, this.why.title] = [text, `${quality(code)} · ${clock(this.since, "always")}`];
  }
}

/** Where a value stands between its limits: the grey band is normal. */
export class Limits {
  constructor(tag) {
    this.tag = tag;
    this.at = svg("path", { class: "at", d: "M0 -1 L4 6 L0 13 L-4 6 Z", visibility: "hidden" });
    this.el = svg("svg", { class: "limits", viewBox: "0 0 120 12", preserveAspectRatio: "none", "aria-hidden": "true" },
      svg("path", { class: "rail", d: "M0 6 H120" }), svg("rect", { class: "band", x: 20, y: 2, width: 80, height: 8 }), this.at);
  }
  show(value, way) {
    this.at.setAttribute("visibility", typeof value === "number" ? "visible" : "hidden");
    if (typeof value !== "number") return;
    const { low, high } = this.tag;
    const x = 20 + (80 * (value - low)) / (high - low || 1);
    this.at.setAttribute("transform", `translate(${Math.max(4, Math.min(116, x)).toFixed(1)} 0)`);
    this.el.classList.toggle("out", Boolean(way));
  }
}

/** points: [[ms, value]]; the band is the normal range. */
export function spark(points, tag, from, to) {
  const values = points.map((p) => p[1]).filter((v) => typeof v === "number");
  const el = svg("svg", { class: "spark", viewBox: "0 0 100 32", preserveAspectRatio: "none", "aria-hidden": "true" });
  if (!values.length) return el;
  let low = Math.min(...values), high = Math.max(...values);
  if (tag.low != null && tag.high != null) [low, high] = [Math.min(low, tag.low), Math.max(high, tag.high)];
  const pad = (high - low || Math.abs(high) || 1) * .06;
  const y = (v) => 32 - (32 * (v - low + pad)) / (high - low + 2 * pad);
  const x = (time) => (100 * (time - from)) / (to - from);
  if (tag.low != null && tag.high != null) el.append(svg("rect", { x: 0, width: 100, y: y(tag.high), height: Math.max(1, y(tag.low) - y(tag.high)) }));
  let path = "", pen = "M";
  for (const [time, value] of points) {
    if (typeof value !== "number") { pen = "M"; continue; }
    path += `${pen}${x(time).toFixed(2)} ${y(value).toFixed(2)}`;
    pen = "L";
  }
  if (pen === "L") path += `L100 ${y(values.at(-1)).toFixed(2)}`; // what is good holds until it changes
  el.append(svg("path", { d: path }));
  return el;
}

/** Points for sparklines of an hour, or of what there is when history is younger: {found, from, to}. */
export async function traces(names) {
  const to = Date.now();
  const ask = async (start) => byTag(await get(`history?${query({ tag: names, start: new Date(start).toISOString(), points: 120, time: "ms" })}`));
  const found = await ask(to - 3600e3);
  const from = begin(found, to);
  return { found: to - from < 2700e3 ? await ask(from) : found, from, to };
}
function begin(found, to) {
  const first = Object.values(found).map((points) => points[0]?.[0]).filter((time) => time > 0);
  return Math.min(to - 300e3, Math.max(to - 3600e3, Math.min(...first, to)));
}
/** «last hour», or since when, for the heading over sparklines. */
export function over(from) {
  const hour = clock(from, "never").slice(0, 5);
  return Date.now() - from > 3590e3 ? "近一小时 Last hour" : `${hour} 起 Since ${hour}`;
}

/** Columns of many tags as {name: [[ms, value, quality]]}; bad samples leave a gap. */
export function byTag({ tag, time, value, quality: codes }) {
  const found = {};
  for (let n = 0; n < tag.length; n++) (found[tag[n]] ??= []).push([time[n], codes[n] >= 128 ? null : value[n], codes[n]]);
  return found;
}
