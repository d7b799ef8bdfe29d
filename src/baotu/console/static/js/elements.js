/** The 25 elements in three wings, each with what it proved, or that it has proved nothing yet. */
import { Part, ago, before, clock, get, h, link, t } from "./core.js";
import { figures } from "./words.js";

const WINGS = { network: "网络集成 Network", platform: "平台集成 Platform", security: "安全集成 Security" };

class Elements extends Part {
  start() {
    this.className = "stack";
    this.every(10, async () => this.draw((await get("elements")).elements));
  }
  draw(rows) {
    const sign = JSON.stringify(rows.map((row) => [row, row.proofs.map((p) => ago(p.time))]));
    if (sign === this.sign) return;
    this.sign = sign;
    const open = new Set([...this.querySelectorAll("details[open]")].map((d) => d.dataset.id));
    const proved = rows.filter((row) => row.proved).length;
    this.replaceChildren(h("p", { class: "panel" }, `${proved} / ${rows.length} ${t("个要素有运行证据；没有证据的如实写明。 elements have evidence from the running system; those without say so.")}`),
      h("div", { class: "wings" }, Object.entries(WINGS).map(([wing, title]) => this.wing(title, rows.filter((row) => row.wing === wing), open))));
  }
  wing(title, rows, open) {
    const proved = rows.filter((row) => row.proved).length;
    return h("section", { class: "panel" }, h("header", {}, h("h2", {}, t(title)), h("span", { class: "small muted push" }, `${proved}/${rows.length}`)), h("ul", { class: "element-list" }, rows.map((row) => this.row(row, open.has(row.id)))));
  }
  row(row, open) {
    const newest = row.proofs[0];
    const line = newest ? h("span", { class: "small" }, h("b", {}, "✓ "), t(newest.claim), h("span", { class: "told muted" }, h("b", {}, before(newest.time)), h("span", {}, `${t("次数 Times")} ${newest.count}`), figures(newest.figures).map(pair))) : h("span", { class: "small muted" }, t("尚无证据 No evidence yet"));
    return h("li", {}, h("details", { "data-id": row.id, open }, h("summary", {}, h("span", { class: "mono id" }, row.id), h("span", { class: "grow" }, h("b", {}, t(row.title)), line)),
      h("div", { class: "proofs" }, row.asks ? h("p", { class: "small muted" }, t(row.asks)) : null, row.proofs.map((proof) => this.proof(proof)))));
  }
  proof(proof) {
    return h("div", { class: "proof" }, h("div", {}, t(proof.claim)), h("div", { class: "small muted" }, `${clock(proof.time, "always")} · ${t("由 By")} ${proof.by} · ${t("次数 Times")} ${proof.count}`, proof.page ? [" · ", h("a", { href: link(proof.page) }, t("看它运行 See it work"))] : null), h("div", { class: "bar" }, figures(proof.figures).map((f) => h("span", { class: "chip" }, h("span", { class: "muted" }, f.title), h("b", {}, f.text)))));
  }
}

const pair = (f) => h("span", {}, `${f.title} ${f.text}`);

customElements.define("bt-elements", Elements);
