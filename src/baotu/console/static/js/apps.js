/** Installed apps: what each is, listens to, may do, proves; and the way to its pages. */
import { Part, ago, base, empty, get, h, link, t } from "./core.js";
import { state } from "./shapes.js";
import { figures, why } from "./words.js";

class Apps extends Part {
  start() {
    this.className = "app-cards";
    this.every(5, async () => this.draw((await get("apps")).apps));
  }
  draw(apps) {
    const sign = JSON.stringify(apps.map((app) => [app, ago(app.health.since)]));
    if (sign === this.sign) return;
    this.sign = sign;
    if (!apps.length) return this.replaceChildren(h("section", { class: "panel" }, empty("还没有应用。装一个带 baotu.apps 入口的包，或把文件放进 plugins/。 No apps yet. Install a package with a baotu.apps entry point, or put a file into plugins/.")));
    this.replaceChildren(...apps.map((app) => this.card(app)));
  }
  card(app) {
    const chips = (title, items) => (items.length ? h("div", { class: "fact" }, h("span", { class: "small muted" }, t(title)), h("span", { class: "bar" }, items.map((item) => h("span", { class: "chip" }, item)))) : null);
    const settings = Object.entries(app.settings).map(([name, value]) => [h("span", { class: "muted" }, name), h("b", {}, String(value))]);
    const told = figures(app.health.figures).map((f) => [h("span", { class: "muted" }, f.title), h("b", {}, f.text)]);
    return h("section", { class: "panel" }, h("header", {}, h("b", { class: "cut" }, t(app.title) || app.name), h("span", { class: "push small" }, state(app.health.state))),
      h("p", { class: "muted" }, t(app.summary)), app.health.why ? h("p", { class: "notice", title: app.health.why }, why(app.health.why)) : null,
      chips("服务于要素 Serves", app.serves.map((id) => h("a", { href: `${base}/elements` }, id))), chips("听 Listens to", app.listens), chips("可以 May", app.permissions), chips("参数 Settings", settings), chips("数字 Figures", told),
      app.pages.length ? h("div", { class: "bar", style: "margin-top:12px" }, app.pages.map((page) => h("a", { class: "btn", href: link(`/app/${app.name}/${page.name}`) }, t(page.title)))) : null);
  }
}

customElements.define("bt-apps", Apps);
