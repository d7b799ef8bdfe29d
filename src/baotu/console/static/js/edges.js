/** Level 4: how every part of the platform fares, what is wrong first. */
import { Part, ago, clock, empty, get, h, base, t } from "./core.js";
import { state } from "./shapes.js";
import { KINDS, figures, kinds, why } from "./words.js";

const WORST = ["down", "degraded", "starting", "up", "off"];

class Edges extends Part {
  start() {
    this.className = "stack";
    this.every(3, async () => this.draw((await get("devices")).healths));
  }

  draw(healths) {
    const sign = JSON.stringify(healths.map((one) => [one, ago(one.since)]));
    if (sign === this.sign) return;
    this.sign = sign;
    const none = !healths.some((one) => one.kind === "device");
    this.opened = new Set([...this.querySelectorAll(".figures.all")].map((one) => one.dataset.of));
    const order = [...new Set([...Object.keys(KINDS), ...healths.map((one) => one.kind)])];
    const groups = order.map((kind) => this.group(kind, healths.filter((one) => one.kind === kind)));
    if (none) groups.unshift(h("section", { class: "panel" }, empty("还没有设备：在配置里写一个 [[device]]，边缘会连上去并在这里报告。 No devices yet: write a [[device]] into the configuration; its edge connects and reports here.", h("a", { class: "btn main-act", href: `${base}/config` }, t("打开配置 Open the configuration")))));
    this.replaceChildren(...groups.filter(Boolean));
  }

  group(kind, healths) {
    if (!healths.length) return null;
    healths.sort((a, b) => WORST.indexOf(a.state) - WORST.indexOf(b.state));
    const meant = healths.filter((one) => one.state !== "off"), up = meant.filter((one) => one.state === "up").length;
    return h("section", { class: "panel" }, h("header", {}, h("h2", {}, kinds(kind)), h("span", { class: "small muted" }, meant.length ? `${up}/${meant.length} ${t("正常 up")}` : "")),
      h("ul", { class: "parts" }, healths.map((one) => this.row(one))));
  }

  row(one) {
    const { driver, ...told } = one.figures;
    const all = figures(told);
    const idle = all.filter((f) => f.idle).length;
    const name = `${one.kind} ${one.name}`;
    const list = h("dl", { class: this.opened.has(name) ? "figures all" : "figures", "data-of": name }, all.map(shown));
    const toggle = () => more.setAttribute("aria-expanded", String(list.classList.toggle("all")));
    const more = h("button", { class: "more small", "aria-expanded": String(this.opened.has(name)), title: t("计数为零的 Counters at zero"), onclick: toggle }, `${t("为零 Zero")} (${idle})`);
    if (idle) list.append(h("div", {}, more));
    return h("li", { class: one.state === "up" || one.state === "off" ? "" : "wrong-part" },
      h("div", { class: "what" }, state(one.state), h("span", { class: "grow" }, h("b", { class: "cut", title: one.name }, one.name), driver ? h("span", { class: "small muted" }, driver) : null)),
      h("time", { class: "small muted", title: `${t("自 Since")} ${clock(one.since, "always")}` }, ago(one.since)),
      h("div", { class: "grow" }, one.why ? h("span", { class: "why", title: one.why }, why(one.why)) : null, all.length ? list : null));
  }
}

const shown = (f) => h("div", { class: `${f.text.length > 22 ? "broad" : ""}${f.idle ? " idle" : ""}` }, h("dt", { class: "small muted cut", title: f.title }, f.title), h("dd", { title: f.name }, f.text));

customElements.define("bt-edges", Edges);
