/** Switches of the demo plant, by machine: break something and watch. */
import { Part, assetLink, empty, get, h, send, t, tail, toast } from "./core.js";

class Faults extends Part {
  start() {
    this.className = "panel faults";
    this.words = "";
    this.field = h("input", { class: "box", type: "search", placeholder: t("故障或机器 Fault or machine"), "aria-label": t("查找故障 Find faults"), oninput: () => ((this.words = this.field.value.trim().toLowerCase()), this.draw()) });
    this.list = h("div", { class: "stack" });
    this.append(h("header", {}, h("p", { class: "muted grow" }, t("打开一个故障，看它怎样被采到、报警、留下证据；关掉即恢复。 Switch a fault on and watch how it is acquired, alarmed and proved; off again, and the plant recovers.")), this.field), this.list);
    this.again = this.every(3, () => this.load());
  }
  async load() {
    const { faults } = await get("faults");
    this.faults = faults.map((fault) => ({ ...fault, ...told(fault) }));
    this.draw();
  }
  draw() {
    const words = this.words.split(/\s+/);
    const rows = (this.faults ?? []).filter((fault) => words.every((word) => `${fault.title} ${fault.name} ${fault.asset ?? ""}`.toLowerCase().includes(word)));
    const sign = JSON.stringify(rows);
    if (sign === this.sign) return; // nothing moves that did not change
    this.sign = sign;
    if (!rows.length) return this.list.replaceChildren(empty(this.faults?.length ? "没有匹配的故障，换几个字试试。 No fault matches; try other words." : "没有可用的故障。 There are no faults to switch."));
    const on = rows.filter((fault) => fault.on);
    const groups = new Map();
    for (const fault of rows) groups.set(fault.of, [...(groups.get(fault.of) ?? []), fault]);
    this.list.replaceChildren(on.length ? h("section", {}, h("h2", {}, `${t("已打开 Switched on")} (${on.length})`), h("ul", { class: "lines" }, on.map((fault) => this.active(fault)))) : "",
      h("section", {}, h("h2", {}, `${t("全部，按机器 All, by machine")} (${rows.length})`), h("ul", { class: "lines" }, [...groups].map(([of, some]) => this.machine(of, some)))));
  }
  active(fault) {
    const grown = typeof fault.strength === "number" ? `${t("强度 Strength")} ${Math.round(fault.strength * 100)} %` : "";
    return h("li", { class: "line" }, this.toggle(fault), h("b", { class: "grow" }, [fault.what, fault.of].filter(Boolean).join(" · ")), h("span", { class: "small muted" }, grown), place(fault));
  }
  machine(of, faults) {
    return h("li", { class: "line machine" }, h("span", { class: "grow" }, h("b", {}, of || t("其他 Others")), place(faults[0])), h("span", { class: "bar" }, faults.map((fault) => h("span", { class: "one" }, this.toggle(fault), h("span", {}, fault.what)))));
  }
  toggle(fault) {
    return h("button", { class: "switch", role: "switch", "aria-checked": String(Boolean(fault.on)), "aria-label": t(String(fault.title ?? fault.name)), onclick: (event) => this.turn(fault.name, !fault.on, event.currentTarget) }, h("i", {}));
  }
  async turn(name, on, button) {
    button.disabled = true;
    try {
      await send("faults", { name, on });
    } catch (error) {
      toast(t(error.message), true);
    }
    button.disabled = false;
    this.sign = "";
    this.again();
  }
}

/** What befalls which machine: the title is «what · which». */
function told(fault) {
  const [what, ...which] = t(String(fault.title ?? fault.name)).split(" · ");
  const asset = String(fault.asset || fault.target || "");
  return { what: [what, ...which.slice(1)].join(" · "), of: which[0] ?? asset };
}
const place = (fault) => (fault.asset ? h("a", { class: "small muted", href: assetLink(String(fault.asset)) }, tail(String(fault.asset))) : null);

customElements.define("bt-faults", Faults);
