/** My account: who I am, second factors, sessions, tokens. What is secret is shown once. */
import { Part, base, clock, get, h, send, t, toast, zh } from "./core.js";
import { able, make } from "./passkey.js";

const remove = (address) => send(address, {}, "DELETE");

class Account extends Part {
  start() {
    this.className = "account";
    const back = new URLSearchParams(location.search);
    if (back.has("linked")) toast(t("已关联 Linked"));
    if (back.has("refused")) toast(t(REFUSED[back.get("refused")] ?? REFUSED.untrusted), true);
    if (back.has("linked") || back.has("refused")) history.replaceState(history.state, "", location.pathname);
    this.load();
  }
  async load() {
    try {
      this.me = await get("me");
      this.titles ??= await get("verbs").then((told) => Object.fromEntries(told.verbs.map((v) => [v.permission, v.title])), () => ({}));
      this.draw();
    } catch (error) {
      this.complain(error, () => this.load());
    }
  }
  draw() {
    this.replaceChildren(...[this.warning(), h("div", { class: "halves" }, this.who(), this.factors()), this.identities(), this.sessions(), this.tokens()].filter(Boolean));
  }
  warning() {
    const waiting = this.me.roles.filter((role) => role.waits).map((role) => t(role.title));
    if (!waiting.length) return this.me.roles.length ? null : h("p", { class: "notice" }, t("您还没有角色。请安全管理员授予；在此之前只能用这一页。 You hold no role yet. The security administrator grants one; until then, this page is all there is."));
    const names = waiting.join(zh ? "、" : ", ");
    return h("p", { class: "notice", role: "status" }, zh ? `${names}要有第二因素才生效：在下面设置验证器或通行密钥。` : `${names} works only with a second factor: set up an authenticator or a passkey below.`);
  }
  who() {
    const me = this.me;
    const last = me.last ? `${clock(me.last, "always")}${me.last_from ? ` · ${me.last_from}` : ""}` : t("这是第一次 This is the first time");
    const facts = [["登录名 Name", me.name], ["组织 Organisation", me.organisation], ["角色 Roles", me.roles.map((r) => t(r.title)).join(zh ? "、" : ", ") || "–"], ["上次登录 Last sign-in", last], ["口令设于 Password set", me.password_set ? clock(me.password_set, "always") : "–"]];
    return h("section", { class: "panel" }, h("header", {}, h("h2", {}, me.title || me.name), h("span", { class: "more bar" }, me.password_set ? h("button", { class: "btn", onclick: () => this.password() }, t("改口令 Change password")) : null, h("button", { class: "btn", "data-act": "sign-out" }, t("退出登录 Sign out")))),
      h("dl", { class: "facts" }, facts.map(([name, value]) => [h("dt", {}, t(name)), h("dd", {}, value)])),
      me.failed ? h("p", { class: "problem", role: "status" }, zh ? `上次登录以来有 ${me.failed} 次失败的尝试。不是您？改口令，并告诉安全管理员。` : `${me.failed} failed attempts since the last sign-in. Not you? Change the password and tell the security administrator.`) : null);
  }
  factors() {
    const { totp, codes, passkeys } = this.me;
    const app = h("li", {}, h("div", {}, h("b", {}, t("验证器 Authenticator app")), h("span", { class: "small muted" }, t(totp ? "已启用 In use" : "手机上的应用，每 30 秒一个六位数 An app on the phone: six digits, new every 30 seconds"))),
      totp ? h("button", { class: "btn", onclick: () => this.sure("去掉验证器？ Remove the authenticator?", () => remove("me/totp")) }, t("移除 Remove")) : h("button", { class: "btn act", onclick: () => this.totp() }, t("设置 Set up")));
    const keys = passkeys.map((key) => h("li", {}, h("div", {}, h("b", {}, key.name), h("span", { class: "small muted" }, `${key.scope.join()} · ${t("上次使用 last used")} ${key.used ? clock(key.used) : "–"}`)), h("button", { class: "btn", onclick: () => this.sure(zh ? `去掉「${key.name}」？` : `Remove ${key.name}?`, () => remove(`me/passkeys/${key.id}`)) }, t("移除 Remove"))));
    const another = h("li", {}, h("div", {}, h("b", {}, t("通行密钥 Passkey")), h("span", { class: "small muted" }, t(able() ? "指纹、人脸或安全钥匙，不怕钓鱼 Finger, face or security key; cannot be phished" : "通行密钥只认名称，不认 IP 地址：在本机上改用 http://localhost，或给节点一个带 TLS 的名称 Passkeys belong to a name, not to an IP address: open http://localhost on this machine, or give the node a name and TLS"))), h("button", { class: "btn act", disabled: !able(), onclick: () => this.passkey() }, t("添加 Add")));
    const recovery = totp || passkeys.length ? h("li", {}, h("div", {}, h("b", {}, t("恢复码 Recovery codes")), h("span", { class: "small muted" }, zh ? `还剩 ${codes} 个` : `${codes} left`)), h("button", { class: "btn", onclick: () => this.safely(async () => this.codes((await send("me/codes", {})).codes)) }, t("换新 New ones"))) : null;
    return h("section", { class: "panel" }, h("header", {}, h("h2", {}, t("第二因素 Second factor"))), h("ul", { class: "factors" }, app, keys, another, recovery));
  }
  identities() {
    const { identities, providers } = this.me;
    if (!identities.length && !providers.length) return null;
    const called = (name) => t(providers.find((one) => one.name === name)?.title ?? name);
    const mine = identities.map((one) => h("li", {}, h("div", {}, h("b", {}, called(one.provider)), h("span", { class: "small muted" }, `${one.name} · ${t("关联于 linked")} ${clock(one.created, "always").slice(0, 10)}`)), h("button", { class: "btn", onclick: () => this.sure(zh ? `不再用 ${called(one.provider)} 登录？` : `Sign in with ${called(one.provider)} no more?`, () => remove(`me/identities/${one.id}`)) }, t("解除 Unlink"))));
    const free = providers.filter((one) => !identities.some((have) => have.provider === one.name)).map((one) => h("li", {}, h("div", {}, h("b", {}, t(one.title)), h("span", { class: "small muted" }, t("用那里的身份登录本账户 Sign in to this account with your identity there"))), h("button", { class: "btn act", "data-provider": one.name, onclick: () => this.link(one.name) }, t("关联 Link"))));
    return h("section", { class: "panel" }, h("header", {}, h("h2", {}, t("其他登录方式 Other ways to sign in"))), h("ul", { class: "factors" }, mine, free));
  }
  link(provider) {
    return this.safely(async () => location.assign((await send("me/identities", { provider, language: zh ? "zh" : "en" })).address));
  }
  sessions() {
    const rows = this.me.sessions.map((s) => h("tr", {}, h("td", { "data-head": t("设备 Device") }, browser(s.browser), s.here ? h("span", { class: "chip" }, t("本机 This one")) : null), h("td", { class: "tight", "data-head": t("地址 Address") }, s.address || "–"), h("td", { class: "tight" }, t(HOW[s.how] ?? s.how)), h("td", { class: "tight", "data-head": t("最近 Last seen") }, clock(s.seen)), h("td", { class: "tight" }, s.here ? null : h("button", { class: "btn", onclick: () => this.safely(() => remove(`me/sessions/${s.id}`)) }, t("结束 End")))));
    const all = this.me.sessions.length > 1 ? h("button", { class: "btn more", onclick: () => this.safely(() => remove("me/sessions/0")) }, t("结束其他全部 End all others")) : null;
    return h("section", { class: "panel" }, h("header", {}, h("h2", {}, t("会话 Sessions")), all), table(["设备 Device", "地址 Address", "方式 How", "最近 Last seen", ""], rows));
  }
  tokens() {
    const rows = this.me.tokens.map((k) => h("tr", {}, h("td", {}, h("b", {}, k.name)), h("td", { class: "small" }, k.scope.map((s) => this.called(s)).join(zh ? "、" : ", ")), h("td", { class: "tight", "data-head": t("到期 Ends") }, clock(k.ends, "always").slice(0, 10)), h("td", { class: "tight", "data-head": t("上次使用 Last used") }, k.used ? clock(k.used) : "–"), h("td", { class: "tight" }, h("button", { class: "btn", onclick: () => this.sure(zh ? `吊销「${k.name}」？用它的程序会立即被拒。` : `Revoke ${k.name}? Programs that use it are refused at once.`, () => remove(`me/tokens/${k.id}`)) }, t("吊销 Revoke")))));
    const some = this.me.permissions.length ? h("button", { class: "btn act more", onclick: () => this.token() }, t("新建令牌 New token")) : null;
    return h("section", { class: "panel" }, h("header", {}, h("h2", {}, t("API 令牌 API tokens")), some), rows.length ? table(["名称 Name", "范围 Scope", "到期 Ends", "上次使用 Last used", ""], rows) : h("p", { class: "muted" }, t("没有令牌。程序用它代替您访问 API，权限只在所选范围内。 No tokens. A program uses one in your place, within the scope you choose.")));
  }
  called(action) {
    return t(this.me.actions[action] ?? this.titles[action] ?? action);
  }
  /** Run; when the node asks for the password once more, ask, and run again. */
  async safely(work, refused = (error) => toast(t(error.message), true)) {
    try {
      const told = await work();
      await this.load();
      return told;
    } catch (error) {
      if (error.status === 403 && /Confirm with your password/.test(error.message)) return this.confirm(work);
      refused(error);
    }
  }
  sure(question, work) {
    dialog(question, "", [], "是 Yes", () => this.safely(work));
  }
  confirm(work) {
    if (!this.me.password_set) return dialog("请重新登录 Sign in again", "登录已有一会儿，确认还是您本人。 You signed in a while ago: it should still be you.", [], "去登录 Sign in", () => location.assign(`${base}/sign-in?next=${encodeURIComponent(location.pathname)}`));
    dialog("请再输入一次口令 Confirm with your password", "登录已有一会儿，确认还是您本人。 You signed in a while ago: it should still be you.", [["password", "口令 Password", { type: "password", autocomplete: "current-password" }]], "确认 Confirm", async (given) => {
      await send("me/confirm", given);
      queueMicrotask(() => this.safely(work));
    });
  }
  password() {
    dialog("改口令 Change password", "其他地方的会话会结束。 Sessions elsewhere end.", [["old", "现在的口令 Present password", { type: "password", autocomplete: "current-password" }], ["new", "新口令 New password", { type: "password", autocomplete: "new-password", hint: "至少 15 个字符，或 10 个且含三类字符 At least 15 characters, or 10 of three kinds" }]], "更换 Change", async (given) => {
      await send("me/password", given);
      toast(t("口令已更换 The password is changed"));
      this.load();
    });
  }
  totp() {
    return this.safely(async () => {
      const made = await send("me/totp", {});
      const picture = h("div", { class: "qr" });
      picture.innerHTML = made.qr; // an SVG this node drew
      dialog("设置验证器 Set up the authenticator", "用手机上的验证器扫描，再输入它显示的六位数字。 Scan this with an authenticator on your phone, then enter the six digits it shows.", [["code", "验证码 Code", { inputmode: "numeric", autocomplete: "one-time-code" }]], "启用 Use it", async (given) => {
        const { codes } = await send("me/totp/done", given);
        await this.load();
        if (codes.length) this.codes(codes);
      }, picture, h("details", { class: "small" }, h("summary", {}, t("不能扫描？手工输入 Cannot scan? Type it")), h("code", {}, made.secret.match(/.{4}/g).join(" "))));
    });
  }
  passkey() {
    dialog("添加通行密钥 Add a passkey", "给它起个名字，便于以后辨认。 Give it a name that you will know it by.", [["name", "名称 Name", { value: browser(navigator.userAgent) }]], "添加 Add", ({ name }) => this.safely(async () => {
      const { ticket, publicKey } = await send("me/passkeys", {});
      const credential = await make(publicKey);
      const { codes } = await send("me/passkeys/done", { ticket, name, credential });
      if (codes.length) this.codes(codes);
    }, thrown));
  }
  codes(codes) {
    const text = codes.join("\n");
    dialog("恢复码 Recovery codes", "手机丢了时，一个码代替一次验证。打印或抄下，和手机分开放；只显示这一次。 When the phone is lost, one code stands in for it once. Print or write them down and keep them apart from the phone; they are shown only now.", [], "已收好 I have them", () => {}, h("pre", { class: "code" }, text), h("button", { class: "btn", type: "button", onclick: (event) => navigator.clipboard.writeText(text).then(() => (event.target.textContent = t("已复制 Copied"))) }, t("复制 Copy")));
  }
  token() {
    const boxes = this.me.permissions.map((action) => h("label", { class: "tick" }, h("input", { type: "checkbox", value: action, checked: /\.read$/.test(action) }), h("span", {}, this.called(action)), h("code", { class: "small muted" }, action)));
    const scope = h("fieldset", { class: "ticks" }, h("legend", {}, t("范围 Scope")), boxes);
    dialog("新建令牌 New token", "", [["name", "用途 What it is for", {}], ["days", "有效天数 Days it is good for", { type: "number", value: 30, min: 1, max: 730 }]], "新建 Create", ({ name, days }) => this.safely(async () => {
      const chosen = boxes.map((b) => b.firstChild).filter((b) => b.checked).map((b) => b.value);
      const { token } = await send("me/tokens", { name, days: Number(days), scope: chosen });
      const field = h("input", { class: "box", readonly: true, value: token, onfocus: (event) => event.target.select(), "aria-label": "token" });
      dialog("令牌 Token", "现在复制，以后不再显示。程序在请求头里写： Copy it now; it is not shown again. A program sends it as a header:", [], "已复制 I have it", () => {}, field, h("pre", { class: "code" }, "authorization: Bearer bt_…"));
    }, thrown), scope);
  }
}

/** Why an identity was not linked. */
const REFUSED = {
  linked: "这个身份已属于别的账户，或已关联 This identity belongs to another account, or is linked already",
  session: "关联不是在这个会话里开始的，或太久：再试一次 Linking was not begun in this session, or took too long: try again",
  late: "等得太久：再试一次 It took too long: try again",
  browser: "关联是在另一个浏览器里开始的：在这里再试一次 Linking was begun in another browser: try again here",
  refused: "那里没有确认您的身份，或您取消了 The provider did not confirm who you are, or you cancelled",
  untrusted: "答复不可信，没有关联；原因在节点日志里 The answer cannot be trusted, so nothing was linked; the log of the node says why",
  away: "提供方现在没有应答，稍后再试 The provider does not answer just now: try again later",
};

/** A refusal that stands in the dialog that asked. */
const thrown = (error) => {
  throw error;
};
const HOW = { password: "口令 Password", passkey: "通行密钥 Passkey", "password + totp": "口令和验证器 Password and authenticator", "password + passkey": "口令和通行密钥 Password and passkey", "password + recovery code": "口令和恢复码 Password and recovery code", "visit link": "一次性链接 One-time link", "enrol link": "首次登录链接 First sign-in link", "reset link": "重设链接 Reset link", "first link": "首次启动 First start", "officer link": "三员链接 Officer's link" };
export function browser(agent) {
  const name = /Edg\//.test(agent) ? "Edge" : /Firefox\//.test(agent) ? "Firefox" : /(HeadlessChrome|Chrome)\//.test(agent) ? "Chrome" : /Safari\//.test(agent) ? "Safari" : agent.split(/[/ ]/)[0] || "–";
  const on = /Android/.test(agent) ? "Android" : /iPhone|iPad/.test(agent) ? "iOS" : /Windows/.test(agent) ? "Windows" : /Mac OS/.test(agent) ? "macOS" : /Linux/.test(agent) ? "Linux" : "";
  return on ? `${name} · ${on}` : name;
}
const table = (heads, rows) => h("div", { class: "wide" }, h("table", { class: "grid stackable" }, h("thead", {}, h("tr", {}, heads.map((head) => h("th", {}, t(head))))), h("tbody", {}, rows)));

/** One question; a refusal stands at the field it names. */
export function dialog(title, about, fields, act, work, ...more) {
  const rows = fields.map(([name, label, { hint, ...attributes }]) => {
    const input = h("input", { class: "box", name, required: true, ...attributes });
    return { name, input, hint: hint ? t(hint) : "", row: h("label", { class: "field" }, h("span", {}, t(label)), input, h("small", {}, hint ? t(hint) : "")) };
  });
  const refused = h("p", { class: "problem", role: "alert", hidden: true });
  const form = h("form", { method: "dialog" }, h("h2", {}, t(title)), about ? h("p", { class: "muted" }, t(about)) : null, more, rows.map((r) => r.row), refused,
    h("div", { class: "end" }, h("button", { class: "btn", type: "button", onclick: () => box.close() }, t("取消 Cancel")), h("button", { class: "btn main-act", type: "submit" }, t(act))));
  const box = h("dialog", { "aria-label": t(title) }, form);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    refused.hidden = true;
    for (const r of rows) (r.row.classList.remove("wrong"), (r.row.querySelector("small").textContent = r.hint));
    try {
      await work(Object.fromEntries(rows.map((r) => [r.name, r.input.value])));
      box.close();
    } catch (error) {
      const at = rows.find((r) => r.name === error.field) ?? rows.findLast((r) => error.field === "password" && r.input.autocomplete === "new-password");
      if (at) (at.row.classList.add("wrong"), (at.row.querySelector("small").textContent = t(error.message)), at.input.focus());
      else ((refused.hidden = false), (refused.textContent = t(error.message)));
    }
  });
  box.addEventListener("close", () => box.remove());
  document.body.append(box);
  box.showModal();
  return box;
}

customElements.define("bt-account", Account);
