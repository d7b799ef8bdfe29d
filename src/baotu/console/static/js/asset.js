/** Levels 2 and 3: a place with what is in it, or an asset with its values, trend and alarms. */
import { Part, assetLink, base, byName, empty, get, h, query, t, trendLink, unit } from "./core.js";
import { TrendChart } from "./chart.js";
import { alarmLine } from "./alarmline.js";
import { spaced } from "./words.js";
import { live } from "./live.js";
import { openWrite, waitingLine, waitingWrites } from "./write.js";
import { Value, over, shape, spark, traces } from "./shapes.js";

const LEVELS = { enterprise: "企业 Enterprise", site: "厂区 Site", area: "区域 Area", work_center: "工作中心 Work centre", work_unit: "工作单元 Work unit", asset: "资产 Asset" };
const CHILD_VALUES = 3, SHOWN_CHILDREN = 60;

class AssetPage extends Part {
  async start() {
    this.className = "stack";
    this.path = JSON.parse(this.dataset.about).path;
    try {
      this.told = await get(`asset?${query({ path: this.path })}`);
    } catch (error) {
      if (error.status !== 404) return this.complain(error, () => this.start());
      const above = this.path.includes("/") ? this.path.slice(0, this.path.lastIndexOf("/")) : "";
      return this.replaceChildren(h("section", { class: "panel" }, empty(error.message.replace(/\s*[，;][^，;]*\/api\/assets/g, ""),
        h("span", { class: "bar" }, above ? h("a", { class: "btn main-act", href: assetLink(above) }, t("上一级 One level up")) : null, h("a", { class: "btn", href: base }, t("总览 Overview")), h("a", { class: "btn", href: `${base}/tags` }, t("位号 Tags"))))));
    }
    this.replaceChildren();
    this.own(() => this.chart?.close());
    const { children, tags } = this.told;
    this.append(this.plate());
    this.box = h("section", { class: "panel", hidden: true });
    this.waits = h("section", { class: "panel", hidden: true });
    this.append(this.box, this.waits);
    if (tags.length) this.append(this.values(tags));
    if (children.length) this.append(await this.inside(children));
    if (!tags.length && !children.length) this.append(h("section", { class: "panel" }, empty("这里还没有位号；在设备的位号表里写上这个资产。 No tags here yet; name this asset in a device's tag file.")));
    const again = this.every(10, () => this.alarms());
    live.addEventListener("changed", again);
    this.own(() => live.removeEventListener("changed", again));
    const approvals = this.every(10, () => this.approvals());
    live.addEventListener("changed", approvals);
    this.own(() => live.removeEventListener("changed", approvals));
  }

  /** Writes below this asset that wait for a second person. */
  async approvals() {
    const rows = await waitingWrites(this.path);
    const sign = JSON.stringify(rows);
    if (sign === this.waits.sign) return;
    this.waits.sign = sign;
    this.waits.hidden = !rows.length;
    this.waits.replaceChildren(h("header", {}, h("h2", {}, t("待批写入 Writes to approve")), h("a", { class: "more small", href: `${base}/app/approvals/overview` }, t("全部 All"))), h("ul", { class: "lines" }, rows.map((row) => waitingLine(row, () => this.approvals()))));
  }

  plate() {
    const { asset, type } = this.told;
    const facts = [["级别 Level", t(LEVELS[asset.level])], ["类型 Type", type ? t(type.title) || type.id_short : ""], ["路径 Path", asset.path], ["组织 Organisation", asset.organisation]];
    return h("section", { class: "panel plate" }, h("h1", {}, t(asset.title) || asset.path.split("/").pop()),
      h("dl", {}, facts.filter((f) => f[1]).map(([name, value]) => h("div", {}, h("dt", { class: "small muted" }, t(name)), h("dd", { class: "cut", title: value }, value)))),
      h("span", { class: "bar push" }, h("a", { class: "btn", href: `${base}/tags?${query({ under: asset.path })}` }, t("位号 Tags")), this.told.tags.length ? h("a", { class: "btn", href: trendLink(this.told.tags.filter((tag) => tag.kind === "number").slice(0, 6).map((tag) => tag.name)) }, t("趋势 Trends")) : null));
  }

  async alarms() {
    const { alarms } = await get(`asset?${query({ path: this.path })}`);
    this.box.hidden = !alarms.length;
    this.box.replaceChildren(h("header", {}, h("h2", {}, t("未结报警 Open alarms")), h("a", { class: "more small", href: `${base}/alarms` }, t("处理 Handle"))), h("ul", { class: "lines" }, alarms.slice(0, 8).map(alarmLine)));
  }

  values(tags) {
    const shown = Object.fromEntries(tags.map((tag) => [tag.name, new Value(tag, { bar: true })]));
    const sparks = Object.fromEntries(tags.map((tag) => [tag.name, h("div", { class: "trace" })]));
    const stage = h("div", { class: "stage small-stage" });
    const span = h("span", { class: "small muted" });
    const tiles = tags.map((tag) => {
      const tile = h("button", { class: "tile key", "aria-pressed": "false", onclick: () => this.pick(tag, stage, tile) },
        h("span", { class: "two" }, t(tag.title) || tag.property), h("span", { class: "big" }, shown[tag.name].el), shown[tag.name].below, tag.kind === "number" ? sparks[tag.name] : null);
      return tile;
    });
    this.own(live.watch(tags.map((tag) => tag.name), (sample, name) => shown[name].show(sample)));
    this.every(30, async () => {
      const { found, from, to } = await traces(tags.map((tag) => tag.name));
      span.textContent = t(over(from));
      for (const tag of tags) if (tag.kind === "number") sparks[tag.name].replaceChildren(spark(found[tag.name] ?? [], tag, from, to)), shown[tag.name].remember(found[tag.name]);
    });
    this.writes = h("button", { class: "btn push", hidden: true, onclick: () => openWrite(this.picked.name).then(() => this.approvals()) });
    const box = h("section", { class: "panel" }, h("header", {}, h("h2", {}, t("实时值 Live values")), span, this.writes), h("div", { class: "values" }, tiles), stage);
    const first = tags.find((tag) => tag.kind === "number" && tag.high != null) ?? tags[0];
    queueMicrotask(() => this.pick(first, stage, tiles[tags.indexOf(first)]));
    return box;
  }

  pick(tag, stage, tile) {
    this.querySelectorAll(".tile[aria-pressed]").forEach((one) => one.setAttribute("aria-pressed", String(one === tile)));
    this.picked = tag;
    this.writes.hidden = !tag.writable;
    this.writes.textContent = `${t("写入 Write")} ${t(tag.title) || tag.property}…`;
    this.chart?.close();
    this.chart = new TrendChart(stage, [tag], 3600e3);
    stage.setAttribute("aria-label", `${t("趋势 Trend")} ${t(tag.title)} ${unit(tag.unit)}`);
  }

  async inside(children) {
    const some = children.sort(byName).slice(0, SHOWN_CHILDREN);
    const { tags } = await get(`tags?${query({ under: this.path, limit: 2000, offset: 0 })}`);
    const below = (path) => tags.filter((tag) => tag.asset === path || tag.asset.startsWith(`${path}/`));
    const values = {};
    const cards = some.map((asset) => {
      const these = below(asset.path);
      const key = asset.level === "asset" ? these.filter((tag) => tag.kind === "number" && tag.high != null).slice(0, CHILD_VALUES) : [];
      const worst = Math.min(...this.told.alarms.filter((a) => !a.hidden && (a.asset === asset.path || a.asset.startsWith(`${asset.path}/`))).map((a) => a.priority));
      const lines = key.map((tag) => {
        values[tag.name] = new Value(tag);
        return h("span", { class: "pair" }, h("span", { class: "muted cut" }, t(tag.title) || tag.property), values[tag.name].el);
      });
      return h("a", { class: `tile${Number.isFinite(worst) ? ` area worst${worst}` : ""}`, href: assetLink(asset.path) }, h("b", { class: "two" }, Number.isFinite(worst) ? [shape(worst), " "] : null, t(asset.title) || asset.path.split("/").pop()), lines.length ? lines : h("span", { class: "small muted" }, `${t("位号 Tags")} ${spaced(this.told.counts[asset.path] ?? 0, 0)}`));
    });
    this.own(live.watch(Object.keys(values), (sample, name) => values[name].show(sample)));
    const rest = children.length - some.length;
    return h("section", { class: "panel" }, h("header", {}, h("h2", {}, t("其中 Inside"))), h("div", { class: "tiles" }, cards), rest > 0 ? h("p", { class: "muted", style: "margin-top:8px" }, `+ ${rest} ${t("个，见左侧资产树 more, in the tree on the left")}`) : null);
  }
}

customElements.define("bt-asset", AssetPage);
