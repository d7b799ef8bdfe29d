/** People: accounts for the system administrator, roles for the security administrator. */
import { Part, clock, get, h, send, t, toast, zh } from "./core.js";
import { dialog } from "./account.js";
import { openForm } from "./form.js";
import { live } from "./live.js";

const STATES = { invited: "待首次登录 Invited", active: "正常 Active", disabled: "已停用 Disabled" };
const ROLES = { viewer: "查看员 Viewer", operator: "操作员 Operator", maintainer: "维护员 Maintainer", engineer: "工程师 Engineer", system_admin: "系统管理员 System administrator", security_admin: "安全管理员 Security administrator", audit_admin: "审计管理员 Audit administrator" };

class People extends Part {
  start() {
    this.className = "panel wide";
    this.load();
    const heard = (event) => event.detail.some((name) => ["people_account", "people_granted"].includes(name)) && this.load();
    live.addEventListener("changed", heard);
    this.own(() => live.removeEventListener("changed", heard));
  }
  async load() {
    try {
      const me = await get("me");
      this.may = new Set(me.permissions);
      this.name = me.name;
      const verbs = await get("verbs").then((told) => told.verbs);
      this.verbs = Object.fromEntries(verbs.filter((v) => v.app === "people").map((v) => [v.name, v]));
      if (!this.may.has("people.manage") && !this.may.has("roles.grant")) return this.replaceChildren(h("p", { class: "empty" }, t("账户由系统管理员管，角色由安全管理员授予。 Accounts are kept by the system administrator, roles are granted by the security administrator.")));
      this.draw(await get(this.may.has("people.manage") ? "people/accounts" : "people/holders"));
    } catch (error) {
      this.complain(error, () => this.load());
    }
  }
  draw(people) {
    const keeps = this.may.has("people.manage");
    const about = keeps ? "新账户没有角色，安全管理员授予后才有权限。 A new account has no role until the security administrator grants one." : "授予或收回角色会结束那个人的会话。三员须是三个人，不能改自己的。 Granting or revoking ends that person's sessions. The three officers are three people; nobody changes their own.";
    const heads = ["姓名 Person", "登录名 Name", "角色 Roles", "状态 State", "第二因素 Second factor", "上次登录 Last sign-in", ""];
    this.replaceChildren(h("header", {}, h("p", { class: "muted" }, t(about)), keeps ? h("button", { class: "btn main-act more", onclick: () => this.create() }, t("新建账户 New account")) : null),
      h("table", { class: "grid stackable" }, h("thead", {}, h("tr", {}, heads.map((head) => h("th", {}, t(head))))), h("tbody", {}, people.map((one) => this.row(one)))));
  }
  row(one) {
    const own = one.name === this.name;
    return h("tr", {}, h("td", {}, h("b", {}, one.title), own ? h("span", { class: "chip" }, t("您 You")) : null), h("td", {}, one.name), h("td", {}, this.roles(one, own)),
      h("td", { class: "tight" }, t(STATES[one.state] ?? one.state)), h("td", { class: "tight", "data-head": t("第二因素 Second factor") }, t(one.second_factor ? "有 Yes" : "无 No")), h("td", { class: "tight", "data-head": t("上次登录 Last sign-in") }, one.last ? clock(one.last) : "–"),
      h("td", { class: "tight acts" }, own || !this.may.has("people.manage") ? null : this.acts(one)));
  }
  roles(one, own) {
    const grants = this.may.has("roles.grant") && !own;
    const held = one.roles.map((role) => h("span", { class: "chip" }, t(ROLES[role] ?? role), grants ? h("button", { class: "drop", "aria-label": `${t("收回 Revoke")} ${t(ROLES[role] ?? role)}`, onclick: () => this.change("revoke", { account: one.name, role }) }, "×") : null));
    const free = Object.keys(ROLES).filter((role) => !one.roles.includes(role));
    const add = grants && one.state !== "disabled" ? h("select", { class: "box small-box", "aria-label": `${t("授予角色 Grant a role")}: ${one.title}`, onchange: (event) => this.change("grant", { account: one.name, role: event.target.value }) }, h("option", { value: "" }, t("＋ 角色 + Role")), free.map((role) => h("option", { value: role }, t(ROLES[role])))) : null;
    return h("span", { class: "bar" }, held.length ? held : h("span", { class: "muted" }, "–"), add);
  }
  acts(one) {
    const ask = (verb) => async () => (await openForm(this.verbs[verb], {}, { account: one.name }, `${one.title} · ${one.name}`)) && this.load();
    if (one.state === "disabled") return h("span", { class: "bar" }, h("button", { class: "btn", onclick: ask("enable") }, t("启用 Enable")));
    return h("span", { class: "bar" }, h("button", { class: "btn", onclick: () => this.link(one.name) }, t(one.state === "invited" ? "邀请链接 Invitation" : "重设口令 Reset password")),
      one.second_factor ? h("button", { class: "btn", onclick: ask("forget_factors") }, t("手机丢失 Lost phone")) : null, h("button", { class: "btn", onclick: ask("link_identity") }, t("外部身份 Outside identity")), one.identities ? h("button", { class: "btn", onclick: ask("unlink_identities") }, t("解除外部身份 Unlink")) : null, one.sessions ? h("button", { class: "btn", onclick: ask("end_sessions") }, t("结束会话 End sessions")) : null, h("button", { class: "btn", onclick: ask("disable") }, t("停用 Disable")));
  }
  create() {
    dialog("新建账户 New account", "", [["name", "登录名 Name to sign in with", { autocapitalize: "none", autocomplete: "off" }], ["title", "姓名 Name of the person", { autocomplete: "off" }]], "新建 Create", async (given) => {
      const name = await send("people/create", given);
      this.load();
      queueMicrotask(() => this.link(typeof name === "string" ? name : given.name));
    });
  }
  async link(account) {
    try {
      const made = await send("account-link", { account });
      const address = location.origin + made.address;
      const copy = h("button", { class: "btn", type: "button", onclick: () => navigator.clipboard.writeText(address).then(() => (copy.textContent = t("已复制 Copied"))) }, t("复制 Copy"));
      const ends = clock(made.ends, "always");
      dialog("一次性链接 One-time link", zh ? `交给${made.title}本人。只用一次，${ends} 前有效，关上后不再显示。` : `Hand it to ${made.title} in person. Good once, until ${ends}; not shown again.`, [], "已交 Done", () => {}, h("span", { class: "copied" }, h("input", { class: "box", readonly: true, value: address, "aria-label": t("链接 Link"), onfocus: (event) => event.target.select() }), copy));
    } catch (error) {
      toast(t(error.message), true);
    }
  }
  async change(verb, given) {
    if (!given.role) return;
    try {
      await send(`people/${verb}`, given);
      toast(t("完成 Done"));
    } catch (error) {
      toast(t(error.message), true);
    }
    this.load();
  }
}

customElements.define("bt-people", People);
