/** The alarm list: acknowledge with one thumb, shelve with a reason, look back. */
import { Part, ago, assetLink, clock, empty, get, h, query, send, t, toast, trendLink } from "./core.js";
import { alarmState } from "./alarmline.js";
import { openForm } from "./form.js";
import { live } from "./live.js";
import { PRIORITY, shape, tallies } from "./shapes.js";

const WHAT = { raised: "发生 Raised", returned: "恢复 Returned", acknowledged: "确认 Acknowledged", shelved: "搁置 Shelved", unshelved: "取消搁置 Unshelved", suppressed: "抑制 Suppressed", unsuppressed: "取消抑制 Unsuppressed", commented: "备注 Commented" };

class Alarms extends Part {
  async start() {
    this.className = "panel alarms";
    this.which = new URLSearchParams(location.search).get("state") === "history" ? "history" : "open";
    this.one = Number(new URLSearchParams(location.search).get("alarm")) || 0; // a shared address of one alarm
    this.only = 0;
    this.words = "";
    this.head = h("header", {});
    this.field = h("input", { class: "box", type: "search", placeholder: t("报警文字或资产 Words or asset"), "aria-label": t("查找报警 Find alarms"), oninput: () => ((this.words = this.field.value.toLowerCase()), this.draw()) });
    this.list = h("div", { "aria-live": "polite" });
    this.append(this.head, this.list);
    const verbs = await get("verbs").then((told) => told.verbs, () => []);
    this.verbs = Object.fromEntries(verbs.filter((v) => v.app === "alarms").map((v) => [v.name, v]));
    this.again = this.every(4, () => this.load());
    live.addEventListener("changed", this.again);
    this.own(() => live.removeEventListener("changed", this.again));
  }

  async load() {
    this.told = await get(`alarms?${query({ state: this.which, limit: 1000 })}`);
    this.draw();
  }

  tabs() {
    const tab = (which, title) => h("button", { class: "btn", "aria-pressed": String(this.which === which), onclick: () => this.turn(which) }, t(title));
    const filter = [1, 2, 3, 4].map((p) => h("button", { class: this.told.counts[p - 1] ? "btn" : "btn tally none", "aria-pressed": String(this.only === p), "aria-label": `${t("只看 Only")} ${t(PRIORITY[p])}`, onclick: () => ((this.only = this.only === p ? 0 : p), this.draw()) }, shape(p), String(this.told.counts[p - 1])));
    return [h("span", { class: "bar" }, tab("open", "未结 Open"), tab("history", "历史 History")), h("span", { class: "bar" }, this.which === "open" ? filter : tallies(this.told.counts)), this.one ? this.all() : null, this.field].filter(Boolean);
  }

  all() {
    return h("button", { class: "btn", onclick: () => ((this.one = 0), this.turn(this.which)) }, t("全部报警 All alarms"));
  }

  turn(which) {
    this.which = which;
    const asked = query({ state: which === "open" ? "" : which, alarm: this.one || "" });
    history.replaceState(null, "", asked ? `?${asked}` : location.pathname);
    this.again();
  }

  draw() {
    const typing = document.activeElement === this.field;
    this.head.replaceChildren(...this.tabs());
    if (typing) this.field.focus();
    const history = this.which === "history";
    const all = history ? this.told.events : this.told.alarms;
    const rows = all.filter((a) => (!this.one || (a.alarm ?? a.id) === this.one) && (!this.only || a.priority === this.only || history) && `${a.message} ${a.tag ?? a.asset}`.toLowerCase().includes(this.words));
    const sign = JSON.stringify([rows.map((a) => ({ ...a, ago: ago(a.raised ?? a.time) })), this.which]);
    if (sign === this.sign) return; // nothing moves that did not change
    this.sign = sign;
    if (!rows.length && this.one) return this.list.replaceChildren(empty("这条报警已经结束，见历史。 This alarm is over; the history tells of it.", this.all(), h("button", { class: "btn", onclick: () => this.turn("history") }, t("历史 History"))));
    if (!rows.length) return this.list.replaceChildren(this.told.note ? empty(this.told.note) : all.length ? empty("没有符合筛选的报警。 No alarm passes the filter.") : empty(history ? "还没有报警发生过。 No alarm has been raised yet." : "没有未结报警。应用发现异常时，报警会出现在这里。 No open alarms. They appear here when an app finds something abnormal."));
    this.list.replaceChildren(history ? this.past(rows) : h("ul", { class: "alarm-list" }, rows.map((alarm) => this.row(alarm))));
  }

  past(rows) {
    const heads = ["时间 Time", "事件 Event", "报警 Alarm", "谁 Who", "说明 Note"];
    return h("div", { class: "wide" }, h("table", { class: "grid stackable" }, h("thead", {}, h("tr", {}, heads.map((head) => h("th", {}, t(head))))), h("tbody", {}, rows.map((e) => h("tr", {},
      h("td", { class: "tight" }, clock(e.time)), h("td", { class: "tight" }, t(WHAT[e.what] ?? e.what)), h("td", {}, e.priority ? [shape(e.priority), " "] : null, t(e.message), e.asset ? h("div", {}, h("a", { class: "small", href: assetLink(e.asset) }, e.asset)) : null), h("td", {}, e.who), h("td", {}, t(e.note)))))));
  }

  row(alarm) {
    const calls = alarm.active && !alarm.acknowledged && !alarm.hidden;
    const where = alarm.asset ? h("a", { href: assetLink(alarm.asset) }, alarm.asset) : null;
    const acts = [
      this.verbs.acknowledge && !alarm.acknowledged ? h("button", { class: "btn act", onclick: (event) => this.acknowledge(alarm, event.target) }, t("确认 Acknowledge")) : null,
      alarm.shelved_until ? (this.verbs.unshelve ? h("button", { class: "btn", onclick: () => this.ask("unshelve", alarm) }, t("取消搁置 Unshelve")) : null) : this.verbs.shelve ? h("button", { class: "btn", onclick: () => this.ask("shelve", alarm) }, t("搁置 Shelve")) : null,
    ];
    return h("li", { class: calls ? "alarm calls" : "alarm" }, h("span", { class: "mark" }, shape(alarm.priority, alarm.hidden)),
      h("div", { class: "said" }, h("b", {}, t(alarm.message)), h("span", { class: "small muted where" }, where, alarm.tag ? h("a", { href: trendLink([alarm.tag]) }, t("趋势 Trend")) : null, alarm.app ? h("span", {}, alarm.app) : null)),
      h("div", { class: "when" }, h("a", { href: `?${query({ alarm: alarm.id })}`, class: "muted", title: `${clock(alarm.raised, "always")} · #${alarm.id}` }, `${clock(alarm.raised)} · ${ago(alarm.raised)}`), h("span", { class: "small muted" }, alarmState(alarm), alarm.by ? ` · ${alarm.by}` : "")),
      h("div", { class: "bar acts" }, acts));
  }

  async acknowledge(alarm, button) {
    button.disabled = true;
    try {
      await send("alarms/acknowledge", { alarm: alarm.id });
      await this.load();
    } catch (error) {
      toast(t(error.message), true);
      button.disabled = false;
    }
  }

  async ask(name, alarm) {
    if (await openForm(this.verbs[name], { minutes: 60 }, { alarm: alarm.id }, t(alarm.message))) this.load();
  }
}

customElements.define("bt-alarms", Alarms);
