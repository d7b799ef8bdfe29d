/** Long computations: how far they are, and the way to stop them. */
import { Part, empty, get, h, send, t, toast } from "./core.js";

const STATES = { queued: "等待 Queued", running: "运行 Running", done: "完成 Done", failed: "失败 Failed", cancelled: "已取消 Cancelled", cancelling: "取消中 Cancelling" };

class Jobs extends Part {
  async start() {
    this.className = "panel wide";
    const verbs = await get("verbs").then((told) => told.verbs, () => []);
    this.cancel = verbs.find((v) => v.app === "jobs" && v.name === "cancel");
    this.again = this.every(2, () => this.load());
  }
  async load() {
    const { jobs, note } = await get("jobs");
    const sign = JSON.stringify(jobs);
    if (sign === this.sign) return;
    this.sign = sign;
    if (!jobs.length) return this.replaceChildren(empty(note || "没有任务。应用要求长计算时，进度会显示在这里。 No jobs. When an app asks for a long computation, its progress shows here."));
    const heads = ["编号 Id", "应用 App", "计算 Computation", "提出 By", "状态 State", "进度 Progress", ""];
    this.replaceChildren(h("table", { class: "grid stackable" }, h("thead", {}, h("tr", {}, heads.map((head) => h("th", {}, t(head))))), h("tbody", {}, jobs.map((job) => this.row(job)))));
  }
  row(job) {
    const live = ["queued", "running"].includes(job.state);
    const percent = Math.round((job.progress ?? 0) * 100);
    return h("tr", {}, h("td", { class: "tight num" }, String(job.id ?? "")), h("td", {}, job.app ?? ""), h("td", {}, String(job.solve ?? "").split(":").pop()), h("td", {}, job.caller ?? ""),
      h("td", {}, t(STATES[job.state] ?? job.state ?? ""), job.error ? h("div", { class: "small why" }, job.error) : null),
      h("td", { class: "tight" }, h("progress", { value: percent, max: 100, "aria-label": t("进度 Progress") }), ` ${percent} %`),
      h("td", { class: "tight" }, live && this.cancel ? h("button", { class: "btn", onclick: () => this.stop(job) }, t("取消 Cancel")) : null));
  }
  async stop(job) {
    const name = Object.keys(this.cancel.takes.properties)[0] ?? "job";
    try {
      await send("jobs/cancel", { [name]: job.id });
    } catch (error) {
      toast(t(error.message), true);
    }
    this.again();
  }
}

customElements.define("bt-jobs", Jobs);
