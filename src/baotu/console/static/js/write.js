/** Writing a tag: before → after, limits, interlocks, who has to approve, and why it is refused. */
import { clock, get, h, number, query, send, t, toast, unit, zh } from "./core.js";
import { openForm } from "./form.js";
import { quality } from "./words.js";

/** Resolves true when it was written or asked for. */
export async function openWrite(tag) {
  let told;
  try {
    told = await get(`write?${query({ tag })}`);
  } catch (error) {
    return toast(t(error.message), true), false;
  }
  return new Promise((resolve) => {
    const key = crypto.randomUUID?.() ?? String(Math.random());
    const input = valueBox(told);
    const reason = h("input", { class: "box", required: true, maxlength: 500, placeholder: t("记入审计 Kept in the audit") });
    const after = h("b", { class: "num" }, "?");
    const refused = h("p", { class: "problem", hidden: !told.refused, role: "alert" }, t(told.refused), who(told));
    const act = h("button", { class: "btn main-act", type: "submit", disabled: Boolean(told.refused) }, t(told.approval ? "申请写入 Ask for it" : "写入 Write"));
    const limit = h("p", { class: "notice", hidden: true }, t("超出限值，会被拒绝。 Outside the limits: it will be refused."));
    input.addEventListener("input", () => {
      const wanted = given(input, told);
      after.textContent = wanted === null ? "?" : number(wanted, told);
      limit.hidden = !(typeof wanted === "number" && ((told.low !== null && wanted < told.low) || (told.high !== null && wanted > told.high)));
    });
    const form = h("form", { method: "dialog" }, h("h2", {}, t("写入 Write")),
      h("p", {}, h("b", {}, t(told.title) || told.tag.split("/").pop()), h("span", { class: "small muted", style: "display:block;overflow-wrap:anywhere" }, told.tag)),
      h("p", { class: "change" }, h("span", { class: told.quality >= 128 ? "value bad" : "num", title: quality(told.quality) }, number(told.value, told)), " → ", after, " ", h("span", { class: "unit" }, unit(told.unit)),
        h("span", { class: "small muted", style: "display:block" }, told.time ? `${t("现值时刻 Value of")} ${clock(told.time)}` : t("还没有值 No value yet"), range(told))),
      conditions(told), told.approval ? h("p", { class: "notice calm" }, t("要第二人批准才会执行。 Another person has to approve it before it is done."), people("可批准 May approve", told.approvers)) : null,
      h("label", { class: "field" }, h("span", {}, `${t("写入值 New value")} ${unit(told.unit)}`), input), limit,
      h("label", { class: "field" }, h("span", {}, t("原因 Reason")), reason), refused,
      h("div", { class: "end" }, h("button", { class: "btn", type: "button", onclick: () => box.close() }, t("取消 Cancel")), act));
    const box = h("dialog", { "aria-label": t("写入 Write") }, form);
    let done = false;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      refused.hidden = true;
      act.disabled = true;
      try {
        const reply = await send("write", { tag: told.tag, value: given(input, told), reason: reason.value }, "POST", key);
        done = true;
        box.close();
        toast(reply.done ? `${t("已写入，读回 Done, read back")} ${number(reply.value, told)} ${unit(told.unit)}` : t(reply.why));
      } catch (error) {
        refused.hidden = false;
        refused.replaceChildren(t(error.message));
      }
      act.disabled = false;
    });
    box.addEventListener("close", () => (box.remove(), resolve(done)));
    document.body.append(box);
    box.showModal();
    input.focus();
  });
}

function valueBox(told) {
  if (told.kind === "boolean") return h("select", { class: "box", required: true }, h("option", { value: "" }, "…"), h("option", { value: "1" }, t("开 On")), h("option", { value: "0" }, t("关 Off")));
  return h("input", { class: "box", required: true, type: told.kind === "text" ? "text" : "number", step: "any", inputmode: told.kind === "text" ? null : "decimal" });
}

const given = (input, told) => (input.value === "" ? null : told.kind === "text" ? input.value : Number(input.value));
const range = (told) => (told.low === null && told.high === null ? "" : ` · ${t("限值 Limits")} ${told.low ?? "…"} – ${told.high ?? "…"} ${unit(told.unit)}`);
const people = (title, names) => (names.length ? h("span", { class: "small", style: "display:block" }, `${t(title)}${zh ? "：" : ": "}${names.map(t).join(zh ? "、" : ", ")}`) : null);

/** Which policy says no, and whom to ask. */
function who(told) {
  return [told.policies.length ? h("span", { class: "small", style: "display:block" }, `${t("策略 Policy")}${zh ? "：" : ": "}${told.policies.join(", ")}`) : null, people("可以写的 Who may", told.who_may)];
}

function conditions(told) {
  if (!told.conditions.length) return null;
  return h("ul", { class: "lines", "aria-label": t("联锁 Interlocks") }, told.conditions.map((c) => h("li", { class: "line" }, h("b", {}, c.why ? "✕" : "✓"), h("span", { class: "grow", style: "overflow-wrap:anywhere" }, c.text, c.why ? h("span", { class: "small muted", style: "display:block" }, t(c.why)) : null))));
}

/** Writes that wait for a second person, below an asset path or everywhere; [] where the app is not there. */
export async function waitingWrites(under = "") {
  const rows = await get("approvals/waiting").catch((error) => ([403, 404].includes(error.status) ? [] : Promise.reject(error)));
  return rows.filter((row) => row.state === "waiting" && (!under || row.tag.startsWith(`${under}/`)));
}

/** One of them as a line with what may be done about it; `again` after it was done. */
export function waitingLine(row, again) {
  const act = (name, title, kind = "btn") => h("button", { class: kind, onclick: async () => ((await decide(name, row)) ? again() : null) }, t(title));
  return h("li", { class: "line waits" },
    h("span", { class: "grow" }, h("b", { class: "two" }, t(row.title) || row.tag.split("/").pop()), h("span", { class: "small muted tail", title: row.tag }, row.tag),
      h("span", { class: "change" }, `${number(row.before, row)} → `, h("b", {}, number(row.value, row)), ` ${unit(row.unit)}`, h("span", { class: "small muted" }, range(row))),
      h("span", { class: "small", style: "display:block" }, `${row.asker}${zh ? "：" : ": "}${row.reason}`), row.evidence.length ? h("span", { class: "small muted", style: "display:block" }, `${t("依据 Evidence")} ${row.evidence.join(", ")}`) : null,
      h("span", { class: "small muted" }, `${t("截止 Until")} ${clock(row.until)}`)),
    h("span", { class: "acts" }, act("approve", "批准 Approve", "btn main-act"), act("refuse", "不批准 Refuse")));
}

async function decide(name, row) {
  const { verbs } = await get("verbs");
  const verb = verbs.find((v) => v.app === "approvals" && v.name === name);
  if (!verb) return toast(t("你没有批准写入的权限。 You may not approve writes."), true), false;
  return openForm(verb, {}, { request: row.id }, `${row.tag}: ${number(row.before, row)} → ${number(row.value, row)} ${unit(row.unit)}`);
}
