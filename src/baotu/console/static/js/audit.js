/** Who asked for what, whether it was allowed, and why; that it is sealed, and each row's proof. */
import { able, judged } from "./auditproof.js";
import { Part, before, clock, get, grouped, h, query, send, t, toast, zh } from "./core.js";
import { state } from "./shapes.js";
import { outcome, verb } from "./words.js";

class Audit extends Part {
  start() {
    this.className = "panel";
    this.field = h("input", { class: "box", type: "search", placeholder: t("人、动作、结果、原因 Who, what, outcome, reason"), "aria-label": t("查找审计 Search the audit") });
    this.body = h("tbody", {});
    this.more = h("div", { class: "empty" });
    const heads = ["时间 Time", "谁 Who", "动作 Verb", "结果 Outcome", "原因 Reason", ""];
    this.seal = h("div", { class: "seal" });
    this.append(this.seal, h("header", {}, this.field), h("div", { class: "wide" }, h("table", { class: "grid stackable" }, h("thead", {}, h("tr", {}, heads.map((head) => h("th", {}, t(head))))), this.body)), this.more);
    let timer;
    this.field.addEventListener("input", () => (clearTimeout(timer), (timer = setTimeout(() => this.load(), 200))));
    this.titles = get("verbs").then((told) => Object.fromEntries(told.verbs.map((v) => [`${v.app}.${v.name}`, v.title])), () => ({}));
    this.may = get("verbs").then((told) => told.verbs.some((v) => v.app === "audit" && v.name === "verify"), () => false);
    this.load();
    this.look = this.every(5, () => this.sealed());
  }
  /** How the log over these rows fares. A platform without one shows the rows alone. */
  async sealed() {
    let told;
    try {
      told = await get("audit/state");
    } catch (error) {
      if ([403, 404].includes(error.status)) return this.seal.replaceChildren();
      throw error;
    }
    const [running] = (await this.may) ? await get("audit/verifications?limit=1").catch(() => []) : [];
    const sign = JSON.stringify([told, running]);
    if (sign === this.sign) return;
    this.sign = sign;
    const busy = ["asked", "running"].includes(running?.state);
    const size = grouped(told.size);
    const head = told.state === "down" ? "审计日志被改动 The audit log was tampered with" : told.state === "degraded" ? "封存受阻 Sealing is held up" : told.verified ? "已封存，已验证 Sealed and verified" : "已封存，首次验证即将进行 Sealed; the first verification follows";
    const checked = told.verified && (told.whole ? (zh ? `${before(told.verified)}重算了全部` : `all hashed again ${before(told.verified)}`) : zh ? `${before(told.verified)}重算了其中 ${grouped(told.hashed)} 条` : `${grouped(told.hashed)} hashed again ${before(told.verified)}`);
    const fact = (name, ...value) => h("span", { class: "fact" }, h("span", { class: "small muted" }, t(name)), ...value);
    this.seal.replaceChildren(
      h("div", { class: "bar" }, state(told.state), h("b", {}, t(head)),
        h("span", { class: "push bar" },
          (await this.may) ? h("button", { class: "btn", disabled: busy, onclick: () => this.verify() }, t(busy ? "验证中… Verifying …" : "验证全部 Verify all")) : null,
          h("a", { class: "btn", href: "/api/audit/checkpoint", download: "checkpoint.txt" }, t("检查点 Checkpoint")),
          h("a", { class: "btn", href: "/api/audit/export", download: "" }, t("导出 Export")))),
      h("div", { class: "facts" },
        fact("记录 Records", h("b", {}, size), told.waiting ? h("span", { class: "small muted" }, zh ? `${grouped(told.waiting)} 条待封存` : `${grouped(told.waiting)} to be sealed`) : null),
        checked ? fact("验证 Verified", checked) : null,
        fact("根 Root", h("code", { class: "mono cut", title: told.root }, told.root)),
        fact("公钥 Key", h("code", { class: "mono cut", title: told.key }, told.key)),
        told.witnesses.length ? fact("见证 Witnesses", told.witnesses.join(", ")) : null),
      told.state === "up" ? "" : h("div", { class: "problem", role: "alert" }, h("ul", {}, (told.findings.length ? told.findings : [told.why]).map((one) => h("li", {}, t(one))))),
    );
  }
  async verify() {
    try {
      await send("audit/verify", {});
      toast(t("已开始：每一条都重算一遍 Begun: every record is hashed again"));
    } catch (error) {
      toast(t(error.message), true);
    }
    this.look();
  }
  /** The proof of a row, below it; once more takes it away. */
  async prove(id, row, button) {
    if (row.nextSibling?.classList?.contains("proven")) {
      button.setAttribute("aria-expanded", "false");
      return row.nextSibling.remove();
    }
    const cell = h("td", { colspan: 6 }, "…");
    row.after(h("tr", { class: "proven" }, cell));
    button.setAttribute("aria-expanded", "true");
    try {
      const told = await get(`audit/proof?${query({ record: id })}`);
      const record = able() ? await judged(told.proof) : undefined;
      if (record === null || (record && record.id !== id)) throw new Error(t("证明不成立：记录与签名的根不符 The proof does not hold: the record does not lead to the signed root"));
      const place = zh ? `第 ${grouped(told.index + 1)} 条，共 ${grouped(told.size)} 条` : `position ${grouped(told.index + 1)} of ${grouped(told.size)}`;
      const file = URL.createObjectURL(new Blob([told.proof], { type: "text/plain" }));
      this.own(() => URL.revokeObjectURL(file));
      cell.replaceChildren(h("div", { class: "bar" }, h("b", {}, "✓ ", t("已证明 Proved")), h("span", {}, place), h("span", { class: "small muted" }, t(record ? "由本浏览器重算 Hashed again by this browser" : "由服务器证明；本页未经 TLS，浏览器不能重算 The server's word: without TLS this browser cannot hash")),
        h("a", { class: "btn push", href: file, download: `record-${id}.tlog-proof` }, t("证明文件 Proof file"))),
        h("div", { class: "bar small" }, h("span", { class: "muted" }, t("根 Root")), h("code", { class: "mono cut" }, told.root)));
    } catch (error) {
      const early = error.status === 404;
      cell.replaceChildren(early ? h("span", {}, t("还没有封存，稍等一秒。 Not sealed yet; wait a second.")) : h("div", { class: "problem", role: "alert" }, t(error.message)));
    }
  }
  row(r, titles) {
    const button = h("button", { class: "btn", "aria-expanded": "false", onclick: () => this.prove(r.id, row, button) }, t("证明 Proof"));
    const row = h("tr", {}, h("td", { class: "tight" }, clock(r.time)), h("td", {}, r.caller), h("td", {}, verb(titles[r.verb] ?? r.verb), " ", h("span", { class: "small muted" }, r.verb)), h("td", { class: "tight" }, this.outcome(r.outcome)), h("td", {}, t(r.reason)), h("td", { class: "tight" }, r.id ? button : null));
    return row;
  }
  async load(older = "") {
    const asked = (this.asked = Symbol("search"));
    try {
      const told = await get(`audit?${query({ search: this.field.value, limit: 100, before: older })}`);
      const titles = await this.titles;
      if (asked !== this.asked) return;
      const rows = told.records.map((r) => this.row(r, titles));
      if (older) this.body.append(...rows);
      else this.body.replaceChildren(...rows);
      this.more.replaceChildren(told.before ? h("button", { class: "btn", onclick: () => this.load(told.before) }, t("更早的 Older")) : h("span", {}, t(this.body.children.length ? "到头了 That is all" : "没有记录。每个命令都会留下一条。 Nothing recorded. Every command leaves a line.")));
    } catch (error) {
      this.complain(error, () => this.load(older));
    }
  }
  outcome(word) {
    const well = ["allowed", "done", "ok", "answered"].includes(word);
    return h("span", { title: word }, well ? "" : "✕ ", outcome(word));
  }
}

customElements.define("bt-audit", Audit);
