/** A command in a dialog, asked for by its own schema; a refusal stands at the field it names. */
import { h, send, t, toast, zh } from "./core.js";

/**
 * values: filled in already. fixed: what the row that was clicked decides, shown and not asked for.
 * Resolves true when the command was done, false when given up.
 */
export function openForm(verb, values = {}, fixed = {}, about = "") {
  return new Promise((resolve) => {
    const key = crypto.randomUUID?.() ?? String(Math.random());
    const fields = {};
    const refused = h("p", { class: "problem", hidden: true, role: "alert" });
    const rows = Object.entries(verb.takes.properties ?? {}).filter(([name]) => !(name in fixed)).map(([name, schema]) => {
      const input = inputFor(schema, values[name] ?? schema.default);
      const why = h("small", {});
      const row = h("label", { class: "field" }, h("span", {}, t(schema.title) || name), input, why);
      fields[name] = { input, row, why, schema };
      return row;
    });
    const act = h("button", { class: "btn main-act", type: "submit" }, t(verb.title) || verb.name);
    const form = h("form", { method: "dialog" }, h("h2", {}, t(verb.title) || verb.name), readable(verb.summary) ? h("p", { class: "muted" }, t(verb.summary)) : null, about ? h("p", {}, h("b", {}, about)) : null, ...rows, refused,
      h("div", { class: "end" }, h("button", { class: "btn", type: "button", onclick: () => box.close() }, t("取消 Cancel")), act));
    const box = h("dialog", { "aria-label": t(verb.title) }, form);
    let done = false;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      for (const f of Object.values(fields)) (f.row.classList.remove("wrong"), (f.why.textContent = ""));
      refused.hidden = true;
      act.disabled = true;
      try {
        await send(`${verb.app}/${verb.name}`, { ...given(fields), ...fixed }, "POST", key);
        done = true;
        box.close();
        toast(t("完成 Done"));
      } catch (error) {
        const field = fields[error.field];
        if (field) (field.row.classList.add("wrong"), (field.why.textContent = t(error.message)), field.input.focus());
        else ((refused.hidden = false), (refused.textContent = t(error.message)));
      }
      act.disabled = false;
    });
    box.addEventListener("close", () => (box.remove(), resolve(done)));
    document.body.append(box);
    box.showModal();
  });
}

/** A summary of one language alone is no help on the page of the other. */
const readable = (text) => text && (!zh || /[\u3400-\u9fff]/.test(text));

export function inputFor(schema, value) {
  if (schema.enum) return h("select", { class: "box" }, schema.enum.map((one) => h("option", { value: one, selected: one === value }, one)));
  if (schema.type === "boolean") return h("input", { type: "checkbox", checked: Boolean(value) });
  if (typeof value === "string" && value.includes("\n")) return h("textarea", { class: "box", rows: 16, spellcheck: false }, value);
  const type = { integer: "number", number: "number" }[schema.type] ?? ({ "date-time": "datetime-local", password: "password" }[schema.format] ?? "text");
  return h("input", { class: "box", type, step: schema.type === "number" ? "any" : null, value: value ?? "" });
}

export function given(fields) {
  const found = {};
  for (const [name, { input, schema }] of Object.entries(fields)) {
    if (schema.type === "boolean") found[name] = input.checked;
    else if (input.value !== "") found[name] = input.type === "number" ? Number(input.value) : input.type === "datetime-local" ? new Date(input.value).toISOString() : input.value;
  }
  return found;
}
