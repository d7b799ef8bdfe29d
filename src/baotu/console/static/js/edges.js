/** Level 4: how every part of the platform fares, what is wrong first. */
import { Part, ago, clock, empty, get, h, base, t } from "./core.js";
import { state } from "./shapes.js";

const KINDS = { edge: "边缘节点 Edge nodes", link: "链路 Links", device: "设备与驱动 Devices and drivers", server: "对外服务 Servers", history: "历史库 History", app: "应用 Apps", node: "本节点 This node" };
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
    if (!healths.length) return this.replaceChildren(h("section", { class: "panel" }, empty("还没有设备：在配置里写一个 [[device]]，边缘会连上去并在这里报告。 No devices yet: write a [[device]] into the configuration; its edge connects and reports here.", h("a", { class: "btn main-act", href: `${base}/config` }, t("打开配置 Open the configuration")))));
    const order = [...new Set([...Object.keys(KINDS), ...healths.map((one) => one.kind)])];
    this.replaceChildren(...order.map((kind) => this.group(kind, healths.filter((one) => one.kind === kind))).filter(Boolean));
  }

  group(kind, healths) {
    if (!healths.length) return null;
    healths.sort((a, b) => WORST.indexOf(a.state) - WORST.indexOf(b.state));
    const up = healths.filter((one) => one.state === "up").length;
    return h("section", { class: "panel" }, h("header", {}, h("h2", {}, t(KINDS[kind] ?? kind)), h("span", { class: "small muted" }, `${up}/${healths.length} ${t("正常 up")}`)),
      h("ul", { class: "parts" }, healths.map((one) => this.row(one))));
  }

  row(one) {
    const figures = Object.entries(one.figures).map(([name, value]) => h("span", { class: "chip" }, h("span", { class: "muted" }, name.replaceAll("_", " ")), h("b", {}, typeof value === "number" ? value.toLocaleString(undefined, { maximumFractionDigits: 2 }) : String(value ?? "–"))));
    return h("li", { class: one.state === "up" || one.state === "off" ? "" : "wrong-part" }, h("div", { class: "what" }, state(one.state), h("b", { class: "cut", title: one.name }, one.name)),
      h("time", { class: "small muted", title: clock(one.since, "always") }, `${ago(one.since)}`), h("div", { class: "grow" }, one.why ? h("span", { class: "why" }, t(one.why)) : null, h("span", { class: "bar" }, figures)));
  }
}

customElements.define("bt-edges", Edges);
