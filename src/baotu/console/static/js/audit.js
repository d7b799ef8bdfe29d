/** Who asked for what, whether it was allowed, and why. */
import { Part, clock, empty, get, h, query, t } from "./core.js";
import { outcome, verb } from "./words.js";

class Audit extends Part {
  start() {
    this.className = "panel";
    this.field = h("input", { class: "box", type: "search", placeholder: t("人、动作、结果、原因 Who, what, outcome, reason"), "aria-label": t("查找审计 Search the audit") });
    this.body = h("tbody", {});
    this.more = h("div", { class: "empty" });
    const heads = ["时间 Time", "谁 Who", "动作 Verb", "结果 Outcome", "原因 Reason"];
    this.append(h("header", {}, this.field), h("div", { class: "wide" }, h("table", { class: "grid stackable" }, h("thead", {}, h("tr", {}, heads.map((head) => h("th", {}, t(head))))), this.body)), this.more);
    let timer;
    this.field.addEventListener("input", () => (clearTimeout(timer), (timer = setTimeout(() => this.load(), 200))));
    this.titles = get("verbs").then((told) => Object.fromEntries(told.verbs.map((v) => [`${v.app}.${v.name}`, v.title])), () => ({}));
    this.load();
  }
  async load(before = "") {
    const asked = (this.asked = Symbol("search"));
    try {
      const told = await get(`audit?${query({ search: this.field.value, limit: 100, before })}`);
      const titles = await this.titles;
      if (asked !== this.asked) return;
      const rows = told.records.map((r) => h("tr", {}, h("td", { class: "tight" }, clock(r.time)), h("td", {}, r.caller), h("td", {}, verb(titles[r.verb] ?? r.verb), " ", h("span", { class: "small muted" }, r.verb)), h("td", { class: "tight" }, this.outcome(r.outcome)), h("td", {}, t(r.reason))));
      if (before) this.body.append(...rows);
      else this.body.replaceChildren(...rows);
      this.more.replaceChildren(told.before ? h("button", { class: "btn", onclick: () => this.load(told.before) }, t("更早的 Older")) : h("span", {}, t(this.body.children.length ? "到头了 That is all" : "没有记录。每个命令都会留下一条。 Nothing recorded. Every command leaves a line.")));
    } catch (error) {
      this.complain(error, () => this.load(before));
    }
  }
  outcome(word) {
    const well = ["allowed", "done", "ok", "answered"].includes(word);
    return h("span", { title: word }, well ? "" : "✕ ", outcome(word));
  }
}

customElements.define("bt-audit", Audit);
