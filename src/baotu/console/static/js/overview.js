/** Level 1: the site in one glance, without scrolling on a desk. */
import { Part, assetLink, base, clock, empty, get, grouped, h, link, query, t, trendLink, zh } from "./core.js";
import { live } from "./live.js";
import { Value, over, spark, state, tallies, traces } from "./shapes.js";
import { alarmLine } from "./alarmline.js";
import { waitingLine, waitingWrites } from "./write.js";
import { STATES, kind, outcome, verb, why } from "./words.js";

const TITLES = { areas: "区域 Areas", keys: "关键值 Key values", alarms: "未结报警 Open alarms", links: "边缘与链路 Edges and links", changes: "上一班的变化 Changes in the last shift" };

class Overview extends Part {
  start() {
    this.className = "overview";
    this.panels = Object.fromEntries(["areas", "keys", "alarms", "links", "changes"].map((name) => [name, h("section", { class: `panel at-${name}` })]));
    const { areas, keys, alarms, links, changes } = this.panels;
    this.append(h("div", { class: "col" }, areas, keys), h("div", { class: "col" }, alarms, links, changes));
    for (const [name, title] of Object.entries(TITLES)) this.fill(name, title, null, h("p", { class: "muted small" }, t("正在读取… Reading…")));
    const again = this.every(5, () => this.load());
    const heard = () => again();
    live.addEventListener("changed", heard);
    this.own(() => live.removeEventListener("changed", heard));
    this.every(30, () => this.trace());
  }

  async load() {
    const told = await get("overview");
    this.waits = await waitingWrites();
    this.areas(told.areas);
    this.alarms(told);
    this.links(told.links);
    this.changes(told);
    const names = told.keys.map((tag) => tag.name).join();
    if (names !== this.names || !told.keys.length) {
      this.names = names;
      this.keys(told.keys);
      this.trace();
    }
  }

  fill(name, title, more, ...inside) {
    const sign = JSON.stringify(inside.map((part) => part.outerHTML));
    if (this.panels[name].sign === sign) return; // nothing moves that did not change
    this.panels[name].sign = sign;
    this.panels[name].replaceChildren(h("header", {}, h("h2", {}, t(title)), more ? h("a", { class: "more small", href: base + more[0] }, t(more[1])) : null), ...inside);
  }

  areas(areas) {
    if (!areas.length) return this.fill("areas", "区域 Areas", null, empty("还没有区域：在配置里写上设备和位号，资产树就会长出来。 No areas yet: configure devices and tags, and the asset tree grows.", h("a", { class: "btn main-act", href: `${base}/config` }, t("打开配置 Open the configuration"))));
    this.fill("areas", "区域 Areas", null, h("div", { class: "tiles" }, areas.map((area) => {
      const worst = area.alarms.findIndex(Boolean) + 1;
      const facts = [area.assets ? `${t("资产 Assets")} ${grouped(area.assets)}` : "", `${t("位号 Tags")} ${grouped(area.tags)}`].filter(Boolean);
      return h("a", { class: `tile area${worst ? ` worst${worst}` : ""}`, href: assetLink(area.path) },
        h("b", { class: "two" }, t(area.title) || area.path.split("/").pop()),
        worst ? tallies(area.alarms, true) : h("span", { class: "muted" }, t("无报警 No alarms")),
        h("span", { class: "small muted facts" }, facts.map((fact) => h("span", {}, fact))),
        area.bad ? h("span", { class: "small" }, h("span", { class: "value bad" }, t("坏值 Bad values")), ` ${area.bad}`) : null);
    })));
  }

  keys(tags) {
    this.unwatch?.();
    this.tags = tags;
    this.values = Object.fromEntries(tags.map((tag) => [tag.name, new Value(tag, { bar: true })]));
    this.sparks = Object.fromEntries(tags.map((tag) => [tag.name, h("div", { class: "trace" })]));
    const none = empty("还没有带限值的位号：给位号写上 low 和 high，或在 [console] 的 key_values 里点名。 No tags with limits yet: give tags a low and a high, or name some in key_values of [console].", h("a", { class: "btn", href: `${base}/tags` }, t("位号 Tags")));
    this.fill("keys", "关键值 Key values", tags.length ? ["/trends?" + query({ tag: tags.slice(0, 4).map((tag) => tag.name) }), "趋势 Trends"] : null,
      tags.length ? h("div", { class: "keys", style: `--across:${across(tags.length)}` }) : none);
    this.panels.keys.querySelector("h2").after(h("span", { class: "small muted over" }));
    this.querySelector(".keys")?.append(...tags.map((tag) => h("a", { class: "tile key", href: trendLink([tag.name]) },
      h("span", { class: "small muted two", title: tag.name }, t(tag.asset_title) || tag.asset),
      h("span", { class: "cut" }, t(tag.title) || tag.property), h("span", { class: "big" }, this.values[tag.name].el), this.values[tag.name].below, this.sparks[tag.name])));
    if (!tags.length) return;
    this.unwatch = live.watch(tags.map((tag) => tag.name), (sample, name) => this.values[name].show(sample));
    this.own(this.unwatch);
  }

  async trace() {
    if (!this.tags?.length) return;
    const { found, from, to } = await traces(this.tags.map((tag) => tag.name));
    this.panels.keys.querySelector(".over").textContent = t(over(from));
    for (const tag of this.tags) this.sparks[tag.name].replaceChildren(spark(found[tag.name] ?? [], tag, from, to)), this.values[tag.name].remember(found[tag.name]);
  }

  alarms({ alarms, counts }) {
    const all = counts.reduce((a, b) => a + b, 0);
    const rows = h("ul", { class: "lines" }, alarms.map((alarm) => alarmLine(alarm)));
    const waits = this.waits.length ? [h("div", { class: "notice calm waiting" }, h("header", {}, h("b", {}, `${t("待批写入 Writes to approve")} ${this.waits.length}`), h("a", { class: "more small", href: `${base}/app/approvals/overview` }, t("全部 All"))), h("ul", { class: "lines" }, this.waits.slice(0, 2).map((row) => waitingLine(row, () => this.load()))))] : [];
    this.fill("alarms", "未结报警 Open alarms", ["/alarms", all > alarms.length ? `全部 ${all} 条 All ${all}` : "全部 All"], ...waits, alarms.length ? rows : empty("没有未结报警。 No open alarms."));
  }

  links(links) {
    const wrong = links.filter((l) => !["up", "off"].includes(l.state));
    const kinds = { edge: "边缘 Edges", link: "链路 Links", device: "设备 Devices", server: "服务 Servers" };
    const sums = Object.entries(kinds).map(([kind, title]) => {
      const these = links.filter((l) => l.kind === kind && l.state !== "off");
      const up = these.filter((l) => l.state === "up").length;
      return these.length ? h("span", { class: "chip" }, t(title), h("b", {}, `${up}/${these.length}`)) : null;
    });
    const rows = wrong.slice(0, 4).map((l) => h("li", { class: "line" }, state(l.state), h("b", {}, l.name), h("span", { class: "two", title: l.why }, why(l.why))));
    this.fill("links", "边缘与链路 Edges and links", ["/edges", "详情 Details"], links.length ? h("div", { class: "bar" }, ...sums.filter(Boolean)) : empty("还没有边缘连上来。 No edge has connected yet."),
      ...(rows.length ? [h("ul", { class: "lines" }, rows)] : links.length ? [h("p", { class: "muted small", style: "margin-top:8px" }, t("全部正常。 All is well."))] : []));
  }

  changes({ changes, since }) {
    const marks = { alarm: "报警 Alarm", returned: "恢复 Returned", audit: "操作 Action", health: "状态 State" };
    const rows = changes.map((c) => h("li", { class: "line" }, h("time", { class: "muted small" }, clock(c.time)), h("span", { class: "chip" }, t(marks[c.kind])), h("a", { class: "two", href: link(c.page), title: `${said(c)} ${c.note}` }, said(c), c.note ? h("span", { class: "muted" }, ` ${why(c.note)}`) : null)));
    this.fill("changes", "上一班的变化 Changes in the last shift", null, rows.length ? h("ul", { class: "lines" }, rows) : empty(`自 ${clock(since)} 起没有变化。 Nothing has changed since ${clock(since)}.`));
  }
}

/** Columns that leave no hole: two rows of three, of four … */
const across = (many) => (many <= 4 ? Math.max(many, 2) : many <= 6 ? 3 : many === 9 ? 3 : 4);

/** A change in the language of the page; the API tells its parts besides. */
function said(change) {
  if (!change.name) return t(change.text);
  const colon = zh ? "：" : ": ";
  if (change.kind === "health") return `${kind(change.who)} ${change.name}${colon}${t(STATES[change.state] ?? change.state)}`;
  return `${change.who}${colon}${verb(change.name)} · ${outcome(change.state)}`;
}

customElements.define("bt-overview", Overview);
