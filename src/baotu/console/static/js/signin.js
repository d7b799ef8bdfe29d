/** Signing in and being welcomed: one card, one question at a time. What is wrong stands at the field, with what to do next. */
import { base, h, send, t, zh } from "./core.js";
import { able, use } from "./passkey.js";

const card = document.getElementById("card");
const root = document.documentElement;
const secret = location.hash.slice(1);
const asked = new URLSearchParams(location.search);
const wanted = asked.get("next") ?? "";
const providers = JSON.parse(card.dataset.providers ?? "[]");

/** A path of this console and nothing else: an address of another host is not followed. */
export function inside(address) {
  try {
    const there = new URL(address, location.origin);
    const plain = address.startsWith("/") && !address.startsWith("//") && !address.includes("\\");
    return plain && there.origin === location.origin && !/\/(sign-in|sign-out|welcome)$/.test(there.pathname) ? there.pathname + there.search + there.hash : "";
  } catch {
    return "";
  }
}

/** Home is where somebody may do something. */
async function home() {
  const answer = await fetch("/api/me");
  if (!answer.ok) return `${base}/sign-in`;
  const me = await answer.json();
  const may = new Set(me.permissions);
  if (me.roles.some((role) => role.waits) || !may.size) return `${base}/account`;
  return base + (may.has("assets.read") ? "" : may.has("audit.read") ? "/audit" : may.has("people.manage") || may.has("roles.grant") ? "/people" : "/account");
}
const go = async () => location.replace(inside(wanted) || (await home()));

/** A form of labelled fields; `work` gets their values and may throw what stands at a field. */
function form(title, about, fields, act, work, ...more) {
  const rows = Object.fromEntries(fields.map(([name, label, options = {}]) => {
    const { hint, ...attributes } = options;
    const input = h("input", { class: "box", name, id: `in-${name}`, required: true, maxlength: 256, "aria-describedby": `why-${name}`, ...attributes });
    const row = h("label", { class: "field", for: `in-${name}` }, h("span", {}, t(label)), input.type === "password" ? shown(input) : input, h("small", { id: `why-${name}`, class: "why-field" }, hint ? t(hint) : ""));
    return [name, { input, row, why: row.querySelector("small"), hint: hint ? t(hint) : "" }];
  }));
  const refused = h("p", { class: "problem", role: "alert", hidden: true });
  const button = h("button", { class: "btn main-act whole", type: "submit" }, t(act));
  const el = h("form", { class: "steps", novalidate: true }, h("h1", {}, t(title)), about ? h("p", { class: "muted" }, t(about)) : null, Object.values(rows).map((r) => r.row), refused, button, more);
  el.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (button.disabled) return;
    refused.hidden = true;
    for (const r of Object.values(rows)) (r.row.classList.remove("wrong"), (r.why.textContent = r.hint));
    const empty = Object.values(rows).find((r) => !r.input.value.trim());
    if (empty) return wrong(empty, t("请填写 Fill this in"));
    button.disabled = true;
    try {
      await work(Object.fromEntries(Object.entries(rows).map(([name, r]) => [name, r.input.value])));
    } catch (error) {
      const at = rows[error.field] ?? rows[{ password: "new", account: "name" }[error.field]];
      if (at) wrong(at, t(error.message));
      else ((refused.hidden = false), (refused.textContent = t(error.message)));
      if (rows.password && error.status === 403) (rows.password.input.select(), rows.password.input.focus());
    }
    button.disabled = false;
  });
  card.replaceChildren(el);
  Object.values(rows).find((r) => !r.input.value)?.input.focus();
  return el;
}

function wrong(field, why) {
  field.row.classList.add("wrong");
  field.why.textContent = why;
  field.input.focus();
}

/** A password can be looked at: who types a long one on a phone must see it (SP 800-63B-4, 3.1.1.2). */
function shown(input) {
  const eye = h("button", { type: "button", class: "tool eye", "aria-pressed": "false", onclick: () => {
    const open = input.type === "password";
    input.type = open ? "text" : "password";
    eye.setAttribute("aria-pressed", String(open));
    eye.textContent = t(open ? "隐藏 Hide" : "显示 Show");
  } }, t("显示 Show"));
  return h("span", { class: "with-eye" }, input, eye);
}

async function next(step) {
  if (step.next === "second") return second(step);
  if (step.next === "password") return renew(step);
  if (step.links?.length) return links(step.links);
  await go();
}

async function passkey(ticket = "") {
  const { ticket: made, publicKey } = await send("sign-in/passkey", { ticket });
  const credential = await use(publicKey);
  await next(await send("sign-in/passkey/done", { ticket: made, credential }));
}

/** Off to somebody else's provider: a link, since the way there and back is the browser's. */
function elsewhere() {
  const way = (name) => `/sign-in/with/${encodeURIComponent(name)}?${new URLSearchParams({ next: inside(wanted), language: zh ? "zh" : "en" })}`;
  return providers.map((one) => h("a", { class: "btn whole", href: way(one.name), "data-provider": one.name }, zh ? `用 ${t(one.title)} 登录` : `Sign in with ${t(one.title)}`));
}

/** What went wrong elsewhere, and what to do next. {}: the provider's title. */
const REFUSED = {
  late: ["这次登录等得太久，或不是从这里开始的。请再试一次。", "This sign-in took too long, or was not begun here. Try again."],
  browser: ["这次登录是在另一个浏览器里开始的。请在这里重新开始。", "This sign-in was begun in another browser. Begin again here."],
  refused: ["{} 没有让您登录，或您在那里取消了。", "{} did not sign you in, or you cancelled there."],
  untrusted: ["{} 的答复不可信，没有登录。请告诉系统管理员，原因在节点日志里。", "The answer of {} cannot be trusted, so nobody was signed in. Tell your system administrator; the log of the node says why."],
  away: ["{} 现在没有应答。请稍后再试，或用本平台的口令登录。", "{} does not answer just now. Try again later, or sign in with your password here."],
  unknown: ["您在 {} 的身份还没有关联本平台的账户。有账户：先用口令登录，再到「我的账户」关联。没有：把下面这一行交给系统管理员。", "Your identity at {} has no account here yet. If you have an account, sign in with its password and link the identity on My account. If not, give this line to your system administrator."],
  taken: ["您在 {} 的登录名不能用作新账户：已有人用，或不合规则。请把下面这一行交给系统管理员。", "Your name at {} cannot be that of a new account: somebody has it, or it is not allowed. Give this line to your system administrator."],
  disabled: ["这个账户已停用。请找系统管理员。", "This account is disabled. Ask your system administrator."],
  often: ["尝试过多，请过一会儿再试。", "Too many attempts: try again in a while."],
};

/** Back from a provider: one more factor, a refusal, or nothing of the kind. */
function back() {
  const told = new URLSearchParams(secret);
  if (told.get("ticket") || told.get("identity")) history.replaceState(null, "", location.pathname + location.search);
  if (told.get("ticket")) return second({ ticket: told.get("ticket"), factors: (told.get("factors") ?? "").split(",") });
  if (asked.has("in")) return go();
  const why = REFUSED[asked.get("refused")];
  if (!why) return signIn();
  const title = providers.find((one) => one.name === asked.get("with"))?.title ?? "";
  signIn(why[zh ? 0 : 1].replaceAll("{}", t(title)).trim(), (told.get("identity") ?? "").slice(0, 300));
}

function signOut() {
  const leave = async () => {
    await fetch("/api/sign-out", { method: "POST", body: "{}", headers: { "content-type": "application/json" } });
    location.replace(inside(wanted) || `${base}/sign-in`);
  };
  const button = h("button", { class: "btn main-act whole", type: "button", onclick: (event) => tried(event.target, leave) }, t("退出登录 Sign out"));
  card.replaceChildren(h("div", { class: "steps" }, h("h1", {}, t("退出登录？ Sign out?")),
    h("p", { class: "muted" }, t("会话会结束；用这个会话登录的其他程序，稍后也要重新登录。 Your session ends; other programs that you signed in to with it ask you to sign in again.")), button, h("a", { class: "btn whole", href: `${base}/` }, t("留在这里 Stay"))));
}

function signIn(said = "", identity = "") {
  const key = h("button", { class: "btn whole", type: "button", onclick: (event) => tried(event.target, () => passkey()) }, t("用通行密钥登录 Sign in with a passkey"));
  const help = h("p", { class: "small muted" }, t("忘了口令，或还没有账户？请系统管理员给您一个一次性链接。 No account, or the password is lost? Ask your system administrator for a one-time link."));
  const el = form("登录 Sign in", "", [["name", "登录名 Name", { autocomplete: "username webauthn", autocapitalize: "none", spellcheck: "false" }], ["password", "口令 Password", { type: "password", autocomplete: "current-password" }]], "登录 Sign in",
    async (given) => next(await send("sign-in", given)), able() ? [h("div", { class: "or" }, h("span", {}, t("或 or"))), key] : null, providers.length && !able() ? h("div", { class: "or" }, h("span", {}, t("或 or"))) : null, elsewhere(), help);
  if (said) el.querySelector("h1").after(h("p", { class: "problem", role: "alert" }, said), identity ? h("pre", { class: "identity" }, identity) : "");
}

async function tried(button, work) {
  button.disabled = true;
  card.querySelector(".problem.once")?.remove();
  try {
    await work();
  } catch (error) {
    button.before(h("p", { class: "problem once", role: "alert" }, t(error.message)));
  }
  button.disabled = false;
}

function second({ ticket, factors }) {
  const key = factors.includes("passkey") && able() ? h("button", { class: "btn whole", type: "button", onclick: (event) => tried(event.target, () => passkey(ticket)) }, t("用通行密钥 Use a passkey")) : null;
  const app = factors.includes("totp");
  form("还差一步 One more step", app ? "打开手机上的验证器，输入现在显示的六位数字；也可以用一个恢复码。 Open the authenticator on your phone and enter the six digits it shows now; a recovery code is good too." : "用通行密钥，或输入一个恢复码。 Use a passkey, or enter a recovery code.",
    [["code", app ? "验证码或恢复码 Code or recovery code" : "恢复码 Recovery code", { autocomplete: "one-time-code", inputmode: app ? "text" : null, autocapitalize: "none", spellcheck: "false" }]], "继续 Continue",
    async ({ code }) => next(await send("sign-in/second", { ticket, code })), key, again("手机和恢复码都丢了？请系统管理员撤下第二因素。 Phone and codes are both lost? Ask your system administrator to take the second factor off."));
}

const RULES = "15 个字符以上；或 10 个以上，含小写、大写、数字、符号中的三类。几个不相关的词最好记。 At least 15 characters, or 10 with three of: small letters, capitals, digits, others; a few unrelated words are easiest to remember.";

function renew({ ticket }) {
  form("口令已过期 The password has expired", "现在换一个。 Choose a new one now.", [["password", "新口令 New password", { type: "password", autocomplete: "new-password", hint: RULES }]], "更换并登录 Change it and sign in",
    async ({ password }) => next(await send("sign-in/password", { ticket, password })), again());
}

const again = (text = "") => h("p", { class: "small muted" }, text ? t(text) : null, text ? " " : null, h("a", { href: `${base}/sign-in` }, t("从头再来 Begin again")));

async function welcome() {
  if (!secret) return gone(t("这一页要用完整的链接打开，包括 # 后面的部分。 This page is opened by a whole link, with what stands behind its #."));
  let found;
  try {
    found = await send("welcome", { secret });
  } catch (error) {
    return gone(t(error.message));
  }
  const accept = async (given) => {
    const step = await send("welcome/done", { secret, ...given });
    history.replaceState(null, "", location.pathname); // the secret is spent: no copy of it in the address
    await next(step);
  };
  if (found.kind === "visit") return accept({}).catch((error) => gone(t(error.message)));
  const password = ["password", "口令 Password", { type: "password", autocomplete: "new-password", hint: RULES }];
  if (found.account) {
    const hello = found.kind === "enrol" ? (zh ? `${found.title}，设一个口令就可以开始了。` : `${found.title}, choose a password and begin.`) : (zh ? `${found.title}，设一个新口令；其他地方的会话会结束。` : `${found.title}, choose a new password; sessions elsewhere end.`);
    return form(found.kind === "enrol" ? "欢迎 Welcome" : "新口令 New password", hello, [["name", "登录名 Name", { value: found.account, readonly: true, autocomplete: "username" }], password], "完成 Done", ({ password }) => accept({ password }));
  }
  const first = found.kind === "first";
  const role = t(found.role_title);
  form(first ? "欢迎使用趵突 Welcome to Baotu" : "欢迎 Welcome",
    first ? `您是第一位，将担任${zh ? role : ""}。另外两员的链接随后给您，请交给另外两个人。 You are the first, and become the ${role.toLowerCase()}. Links for the other two officers follow; hand them to two other people.` : `您将担任${zh ? role : ""}。 You become the ${role.toLowerCase()}.`,
    [["name", "登录名 Name to sign in with", { autocomplete: "username", autocapitalize: "none", spellcheck: "false" }], ["title", "姓名 Your name", { autocomplete: "name" }], password], "开始 Begin", accept);
}

function gone(why) {
  card.replaceChildren(h("h1", {}, t("这个链接不能用 This link cannot be used")), h("p", { class: "problem", role: "alert" }, why),
    h("p", { class: "muted" }, t("新链接由系统管理员在「人员」页给出，或在节点本机上运行： A new one comes from the system administrator, on the page People, or from the node's own machine:")), h("pre", { class: "code" }, "baotu account link"), h("a", { class: "btn whole", href: `${base}/sign-in` }, t("去登录 Sign in")));
}

const OFFICER = { security_admin: "安全管理员 Security administrator", audit_admin: "审计管理员 Audit administrator", system_admin: "系统管理员 System administrator" };
const DUTY = { security_admin: "授予角色、管策略与设备准入 Grants roles; policies and admission of devices", audit_admin: "查验审计 Reviews and proves the audit" };

function links(made) {
  const rows = made.map((one) => {
    const address = location.origin + one.address;
    const copy = h("button", { class: "btn", type: "button", onclick: () => navigator.clipboard.writeText(address).then(() => (copy.textContent = t("已复制 Copied"))) }, t("复制 Copy"));
    return h("li", {}, h("b", {}, t(OFFICER[one.role] ?? one.role)), h("span", { class: "small muted" }, t(DUTY[one.role] ?? "")), h("span", { class: "copied" }, h("input", { class: "box", readonly: true, value: address, "aria-label": t(OFFICER[one.role]), onfocus: (event) => event.target.select() }), copy));
  });
  card.replaceChildren(h("div", { class: "steps" }, h("h1", {}, t("把链接交给另外两个人 Hand these to two other people")),
    h("p", { class: "muted" }, t("三员须是三个人：您管账户，但不能给自己或别人授权。链接各用一次，只显示这一次，三天内有效。 The three officers are three people: you keep accounts and grant nothing. Each link is good once, for three days, and shown only now.")),
    h("ul", { class: "handed" }, rows), h("button", { class: "btn main-act whole", onclick: go }, t("继续 Continue"))));
}

function tools() {
  const other = document.querySelector("[data-language]");
  other.href = location.pathname.replace(/^\/(zh|en)/, zh ? "/en" : "/zh") + location.search + location.hash;
  other.addEventListener("click", () => (document.cookie = `baotu.language=${zh ? "en" : "zh"};path=/;max-age=31536000;samesite=lax`));
  const night = document.querySelector("[data-theme-switch]");
  const say = () => (night.textContent = t(root.dataset.theme === "dark" ? "日间 Day" : "夜间 Night"));
  night.addEventListener("click", () => {
    root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark";
    localStorage.setItem("baotu.theme", root.dataset.theme);
    say();
  });
  say();
}

tools();
({ welcome, "sign-out": signOut, "sign-in": back })[card.dataset.page]();
addEventListener("hashchange", () => location.reload());
