/** Under a trend: what each tag did in the range seen, in figures; at the cursors; and in the period before. */
import { base, clock, grouped, h, number, t, tail, unit } from "./core.js";
import { colour } from "./chart.js";
import { inWords } from "./notes.js";
import { spaced } from "./words.js";

/** stats, before: rows of /api/statistics by name. remove(name) takes a tag away. */
export function trendTable({ chart, tags, stats, before }, remove) {
  const [a, b] = chart.marks;
  const columns = [
    ["现值 Now", (tag) => number(chart.points[tag.name]?.at(-1)?.[1], tag)],
    ["最低 Low", (tag) => number(stats[tag.name]?.low, tag)],
    ["平均 Mean", (tag) => number(stats[tag.name]?.mean, tag)],
    ["最高 High", (tag) => number(stats[tag.name]?.high, tag)],
    ["标准差 Std", (tag) => digits(stats[tag.name]?.std)],
    ["末值 Last", (tag) => number(stats[tag.name]?.last, tag)],
    ["好值 Good", (tag) => share(stats[tag.name]?.good)],
    ["个数 Count", (tag) => (stats[tag.name] ? spaced(stats[tag.name].count, 0) : "–")],
    ...(chart.offset ? [["前期平均 Mean before", (tag) => number(before[tag.name]?.mean, tag)], ["变化 Change", (tag) => change(stats[tag.name]?.mean, before[tag.name]?.mean, tag)]] : []),
    ...(a ? [["A", (tag) => number(chart.valueAt(tag.name, a), tag)]] : []),
    ...(b ? [["B", (tag) => number(chart.valueAt(tag.name, b), tag)], ["B − A", (tag) => change(chart.valueAt(tag.name, b), chart.valueAt(tag.name, a), tag)]] : []),
  ];
  const rows = tags.map((tag, n) => h("tr", {}, h("td", { class: "first" }, whose(tag, n)),
    columns.map(([head, text]) => h("td", { class: "num", "data-head": t(head) }, text(tag))),
    h("td", { class: "tight" }, h("button", { class: "tool", title: t("移去 Remove"), "aria-label": `${t("移去 Remove")} ${tag.name}`, onclick: () => remove(tag.name) }, "✕"))));
  const heads = [h("th", {}, t("位号 Tag")), ...columns.map(([head]) => h("th", { class: "num" }, t(head))), h("th", {})];
  return [h("table", { class: "grid stackable" }, h("thead", {}, h("tr", {}, heads)), h("tbody", {}, rows)), h("p", { class: "small muted", style: "margin-top:8px" }, hint(chart))];
}

function whose(tag, n) {
  return h("span", { class: "key-line" }, h("i", { style: `border-top:3px ${n > 3 ? "dashed" : "solid"} ${colour(n)}` }),
    h("span", { class: "grow" }, h("span", {}, t(tag.title) || tag.property, h("span", { class: "unit" }, unit(tag.unit))), h("a", { class: "small muted", href: `${base}/asset/${tag.asset}` }, tail(tag.asset))));
}

function hint(chart) {
  const [a, b] = chart.marks;
  const earlier = chart.offset ? `${t("点线 Dotted")}: ${inWords(chart.offset)}` : "";
  const cursors = a ? `A ${clock(a, "always")}${b ? ` · B ${clock(b, "always")} · Δ ${grouped((b - a) / 1000)} s` : ""}` : t("点一下图设游标 A，再点设 B；滚轮缩放，拖动平移；可从资产树拖入。 Click the chart for cursor A, again for B; wheel to zoom, drag to move; drop assets and tags from the tree.");
  return [earlier, cursors].filter(Boolean).join(" · ");
}

const digits = (value) => (typeof value === "number" ? String(Number(value.toPrecision(3))) : "–");
const share = (part) => (typeof part === "number" ? `${part === 1 ? 100 : Math.min(99.9, part * 100).toFixed(1)}\u2009%` : "–");
function change(after, before, tag) {
  if (typeof after !== "number" || typeof before !== "number") return "–";
  const text = number(after - before, tag);
  return /[1-9]/.test(text) ? `${after > before ? "+" : ""}${text}` : text.replace("-", "");
}
