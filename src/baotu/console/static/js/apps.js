/** Installed apps: what each is, listens to, may do, proves; and the way to its pages. */
import { Part, ago, base, empty, get, h, link, t } from "./core.js";
import { state } from "./shapes.js";
import { figures, why } from "./words.js";

const GRANTS = { granted: "已授权 Granted", waiting: "等待授权 Waiting for a grant", more: "要求更多，等待授权 Declares more, waits", revoked: "已收回 Revoked" };
const CONFINED = { "namespaces, another user": "独立命名空间与用户 Namespaces, another user", "namespaces, user namespace": "独立命名空间 User namespaces", seccomp: "系统调用过滤 seccomp Filter of system calls (seccomp)", "no capabilities": "无特权 No capabilities", limits: "资源上限 Limits" };

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
  /** A third-party app: who confines it, what it asks for and was given, what it takes of what it may. */
  process(app) {
    const { confined, limits, figures: uses, asks, granted, state: grant, source, version } = app.process;
    const chip = (text, title) => h("span", { class: "chip", title: title ?? null }, text);
    const row = (title, items) => h("div", { class: "fact" }, h("span", { class: "small muted" }, t(title)), h("span", { class: "bar" }, items.length ? items : h("span", { class: "muted" }, t("无 None"))));
    const share = (title, used, limit, unit) => chip([h("span", { class: "muted" }, t(title)), used === undefined ? h("b", {}, `≤ ${limit}`) : h("b", {}, used.toFixed(used < 10 ? 1 : 0)), limit && used !== undefined ? ` / ${limit} ${unit}` : ` ${unit}`]);
    const given = new Set(granted);
    return [
      row("独立进程，隔离 Own process, confined by", confined.length ? confined.map((word) => chip(t(CONFINED[word] ?? word.replace(/^Landlock (\d+)$/, "Landlock（版本 $1） Landlock (ABI $1)")))) : [h("span", { class: "notice" }, t("没有隔离：不安全的设置 Not confined: an insecure setting"))]),
      row("占用与上限 Takes, and may take", [share("内存 Memory", uses.private_mb, limits.memory_mb, "MB"), share("处理器 Processor", uses.cpu_s, 0, "s"), share("临时空间 Scratch", undefined, limits.scratch_mb, "MB"), share("一次调用 A call", undefined, limits.call_s, "s"), chip([h("span", { class: "muted" }, t("启动 Starts")), h("b", {}, String(uses.starts ?? 0))])]),
      row("要求 Asks for", asks.map((one) => chip([h("b", {}, given.has(one) ? "✓" : "…"), one]))),
      row("授权 Grant", [chip(h("b", {}, t(GRANTS[grant] ?? grant))), chip(`${source} · ${version}`), h("a", { class: "btn", href: link("/app/apps/overview") }, t(grant === "granted" ? "收回… Revoke…" : "授权… Grant…"))]),
    ];
  }
  card(app) {
    const chips = (title, items) => (items.length ? h("div", { class: "fact" }, h("span", { class: "small muted" }, t(title)), h("span", { class: "bar" }, items.map((item) => h("span", { class: "chip" }, item)))) : null);
    const settings = Object.entries(app.settings).map(([name, value]) => [h("span", { class: "muted" }, name), h("b", {}, String(value))]);
    const own = app.process ? this.process(app) : [];
    const told = figures(app.health.figures).map((f) => [h("span", { class: "muted" }, f.title), h("b", {}, f.text)]);
    return h("section", { class: "panel" }, h("header", {}, h("b", { class: "cut" }, t(app.title) || app.name), h("span", { class: "push small" }, state(app.health.state))),
      h("p", { class: "muted" }, t(app.summary)), app.health.why ? h("p", { class: "notice", title: app.health.why }, why(app.health.why)) : null,
      chips("服务于要素 Serves", app.serves.map((id) => h("a", { href: `${base}/elements` }, id))), chips("听 Listens to", app.listens), chips("可以 May", app.permissions), chips("参数 Settings", settings), chips("数字 Figures", told), ...own,
      app.pages.length ? h("div", { class: "bar", style: "margin-top:12px" }, app.pages.map((page) => h("a", { class: "btn", href: link(`/app/${app.name}/${page.name}`) }, t(page.title)))) : null);
  }
}

customElements.define("bt-apps", Apps);
