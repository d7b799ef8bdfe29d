/** Switches of the demo plant: break something and watch. */
import { Part, assetLink, empty, get, h, send, t, toast } from "./core.js";

class Faults extends Part {
  start() {
    this.className = "panel";
    this.again = this.every(3, () => this.load());
  }
  async load() {
    const { faults } = await get("faults");
    const sign = JSON.stringify(faults);
    if (sign === this.sign) return;
    this.sign = sign;
    this.replaceChildren(h("p", { class: "muted", style: "margin-bottom:8px" }, t("打开一个故障，看它怎样被采到、报警、留下证据；关掉即恢复。 Switch a fault on and watch how it is acquired, alarmed and proved; off again, and the plant recovers.")),
      faults.length ? h("ul", { class: "lines" }, faults.map((fault) => this.row(fault))) : empty("没有可用的故障。 There are no faults to switch."));
  }
  row(fault) {
    const name = String(fault.name ?? "");
    const title = t(String(fault.title ?? name));
    const rest = Object.entries(fault).filter(([key]) => !["name", "title", "on", "asset"].includes(key)).map(([key, value]) => `${key} ${t(String(value))}`);
    return h("li", { class: "line" }, h("button", { class: "switch", role: "switch", "aria-checked": String(Boolean(fault.on)), "aria-label": title, onclick: (event) => this.turn(name, !fault.on, event.currentTarget) }, h("i", {})),
      h("span", { class: "grow" }, h("b", {}, title), h("span", { class: "small muted" }, fault.asset ? h("a", { href: assetLink(String(fault.asset)) }, String(fault.asset)) : null, rest.length ? ` ${rest.join(" · ")}` : null)), h("span", { class: fault.on ? "" : "muted" }, t(fault.on ? "已打开 On" : "关 Off")));
  }
  async turn(name, on, button) {
    button.disabled = true;
    try {
      await send("faults", { name, on });
    } catch (error) {
      toast(error.message, true);
    }
    button.disabled = false;
    this.again();
  }
}

customElements.define("bt-faults", Faults);
