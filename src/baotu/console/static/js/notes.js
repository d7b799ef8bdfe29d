/** Notes on a trend: asked for with the range, written at a cursor or over two, removed with a reason. */
import { base, clock, get, h, query, t, zh } from "./core.js";
import { openForm } from "./form.js";

export class Notes {
  /** trends: the page; it has a chart and names. Without the app `notes` nothing is shown. */
  constructor(trends) {
    Object.assign(this, { trends, told: [], verbs: {} });
    this.el = h("section", { class: "panel notes", hidden: true, "aria-label": t("批注 Notes") });
    this.ready = get("verbs").then(({ verbs }) => (this.verbs = Object.fromEntries(verbs.filter((v) => v.app === "notes").map((v) => [v.name, v]))), () => {});
  }

  /** Ask for the notes of the range shown. */
  async load() {
    await this.ready;
    const { chart, names } = this.trends;
    if (!this.verbs.between || !chart || !names.length) return (this.el.hidden = true);
    const asked = { tags: names.join(","), since: new Date(chart.from).toISOString(), until: new Date(chart.to).toISOString() };
    const told = await get(`notes/between?${query(asked)}`).catch(() => null);
    if (!told || chart !== this.trends.chart) return;
    this.told = told.map((note) => ({ ...note, from: Date.parse(note.since), to: Date.parse(note.until) }));
    chart.showNotes(this.told);
    this.draw();
  }

  /** Where a note would go: over both cursors, at the one, else at the end of what is seen. */
  place() {
    const { chart } = this.trends;
    const [a, b] = chart.marks;
    return a ? { from: a, to: b ?? a } : { from: Math.min(chart.to, Date.now()), to: Math.min(chart.to, Date.now()) };
  }

  button() {
    return this.verbs.add ? h("button", { class: "btn add-note", onclick: () => this.write() }, t("批注 Note")) : null;
  }

  async write() {
    const { from, to } = this.place();
    const fixed = { tags: this.trends.names.join(","), since: new Date(from).toISOString(), ...(to > from ? { until: new Date(to).toISOString() } : {}) };
    const hidden = to > from ? {} : { until: undefined };
    const where = to > from ? `${clock(from, "always")} – ${clock(to)}` : clock(from, "always");
    if (await openForm(this.verbs.add, {}, { ...fixed, ...hidden }, where)) this.load();
  }

  async remove(note) {
    if (await openForm(this.verbs.remove, {}, { note: note.id }, note.text)) this.load();
  }

  draw() {
    this.el.hidden = !this.told.length;
    const rows = this.told.map((note, n) => h("li", { class: "line" }, h("span", { class: "flag", "aria-hidden": "true" }, String(n + 1)),
      h("button", { class: "link", title: t("在图上看 Show on the chart"), onclick: () => this.show(note) }, note.to > note.from ? `${clock(note.from)} – ${clock(note.to)}` : clock(note.from)),
      h("span", { class: "grow" }, h("span", { class: "said" }, note.text), h("span", { class: "small muted cut", title: note.tags.join(", ") }, `${note.author} · ${note.tags.join(", ")}`)),
      this.verbs.remove ? h("button", { class: "tool", title: t("删除 Remove"), "aria-label": `${t("删除批注 Remove note")} ${n + 1}`, onclick: () => this.remove(note) }, "✕") : null));
    this.el.replaceChildren(h("header", {}, h("h2", {}, t("批注 Notes")), h("a", { class: "more small", href: `${base}/app/notes/overview` }, t("全部 All"))), h("ul", { class: "lines" }, rows));
  }

  show(note) {
    const width = Math.max((note.to - note.from) * 2, Math.min(this.trends.chart.to - this.trends.chart.from, 3600e3));
    const middle = (note.from + note.to) / 2;
    this.trends.chart.fix(middle - width / 2, middle + width / 2);
  }
}

/** Periods to lay over, ms; the last asks for one of its own. */
export const PERIODS = [["不比较 Compare…", 0], ["前一时 Hour before", 36e5], ["前一天 Day before", 864e5], ["前一周 Week before", 6048e5]];
const SIZES = { s: 1e3, min: 6e4, h: 36e5, d: 864e5, w: 6048e5 };

/** `36 h`, `2 d`, `90 min` in ms; NaN when it is none. */
export function period(text) {
  const found = /^\s*(\d+(?:\.\d+)?)\s*(s|min|h|d|w)\s*$/.exec(text);
  return found ? Number(found[1]) * SIZES[found[2]] : NaN;
}
export function inWords(ms) {
  const known = PERIODS.find(([, size]) => size === ms);
  if (known) return t(known[0]);
  const [name, size] = Object.entries(SIZES).reverse().find(([, one]) => ms % one === 0) ?? ["s", 1e3];
  return zh ? `前 ${ms / size} ${name}` : `${ms / size} ${name} before`;
}

/** The choice of a period before, as a list; `turn` is called with ms. */
export function periods(ms, turn) {
  const known = PERIODS.some(([, size]) => size === ms) ? PERIODS : [...PERIODS, [null, ms]];
  const own = h("option", { value: "own" }, t("自定… Other…"));
  const box = h("select", { class: "box compare", "aria-label": t("与此前比较 Compare with a period before"), onchange: () => (box.value === "own" ? ask(turn) : turn(Number(box.value))) },
    known.map(([title, size]) => h("option", { value: size, selected: size === ms }, title ? t(title) : inWords(size))), own);
  return box;
}

function ask(turn) {
  const field = h("input", { class: "box", type: "text", name: "period", placeholder: "36 h" });
  const why = h("small", {});
  const row = h("label", { class: "field" }, h("span", {}, t("早多久：s、min、h、d、w How much earlier: s, min, h, d, w")), field, why);
  const form = h("form", { method: "dialog" }, h("h2", {}, t("与此前比较 Compare with a period before")), row,
    h("div", { class: "end" }, h("button", { class: "btn", type: "button", onclick: () => box.close() }, t("取消 Cancel")), h("button", { class: "btn main-act", type: "submit" }, t("比较 Compare"))));
  const box = h("dialog", {}, form);
  let chosen = null;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const ms = period(field.value);
    if (ms > 0) return (chosen = ms), box.close();
    row.classList.add("wrong");
    why.textContent = t("写成 36 h 或 2 d Write it like 36 h or 2 d");
  });
  box.addEventListener("close", () => (box.remove(), turn(chosen)));
  document.body.append(box);
  box.showModal();
}
