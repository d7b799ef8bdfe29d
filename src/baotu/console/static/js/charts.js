/** Charts of an app's page: an ECharts option from the server, colours from the tokens; and trends. */
import { echarts } from "nicegui-echart";
import { Part, get, h, query, t } from "./core.js";
import { TrendChart, colour, token } from "./chart.js";

/** A bar from start to end in its row, with its label inside. */
function bar(params, api) {
  const row = api.value(0), from = api.coord([api.value(1), row]), to = api.coord([api.value(2), row]);
  const height = Math.min(api.size([0, 1])[1] * .6, 26), width = Math.max(to[0] - from[0], 2);
  return { type: "rect", shape: { x: from[0], y: from[1] - height / 2, width, height, r: 3 }, style: { fill: api.visual("color") },
    textContent: { style: { text: api.value(3), fill: token("--panel"), fontSize: 12, width: width - 8, overflow: "truncate" } }, textConfig: { position: "inside" } };
}

class Chart extends Part {
  start() {
    const about = JSON.parse(this.dataset.about);
    const stage = h("div", { style: `height:${about.height}px` });
    this.replaceChildren(stage);
    const chart = echarts.init(stage, null, { renderer: "canvas" });
    const draw = () => chart.setOption(this.themed(structuredClone(about.option)), { notMerge: true });
    draw();
    const sized = new ResizeObserver(() => chart.resize());
    sized.observe(stage);
    addEventListener("baotu:theme", draw);
    this.own(() => (sized.disconnect(), removeEventListener("baotu:theme", draw), chart.dispose()));
  }
  themed(option) {
    const text = token("--muted"), line = token("--line");
    const axis = (one) => ({ ...one, axisLabel: { color: text, hideOverlap: true, ...one.axisLabel }, nameTextStyle: { color: text }, axisLine: { lineStyle: { color: line } }, splitLine: { ...one.splitLine, lineStyle: { color: line } } });
    for (const name of ["xAxis", "yAxis"]) if (option[name]) option[name] = axis(option[name]);
    for (const one of option.series) {
      if (one.type === "custom") one.renderItem = bar;
      if (one.type === "gauge") Object.assign(one, { axisLine: { lineStyle: { width: 10, color: [[1, token("--band")]] } }, progress: { show: true, width: 10, itemStyle: { color: token("--trace") } }, pointer: { show: false }, axisTick: { show: false }, splitLine: { show: false }, axisLabel: { color: text, distance: 16, fontSize: 11 }, detail: { ...one.detail, color: token("--text") } });
      if (one.label) one.label.color = token("--text");
      for (const item of one.data ?? []) if (item?.label_colour !== undefined) item.itemStyle = { color: colour(item.label_colour) };
    }
    return {
      ...option, color: [0, 1, 2, 3, 4, 5, 6, 7].map(colour), animation: false, textStyle: { fontFamily: getComputedStyle(document.body).fontFamily },
      grid: { left: 8, right: 16, top: 32, bottom: 8, containLabel: true }, legend: { ...option.legend, textStyle: { color: text } },
      tooltip: { backgroundColor: token("--raised"), borderColor: line, textStyle: { color: token("--text"), fontSize: 12 }, confine: true, ...option.tooltip },
    };
  }
}

class Trend extends Part {
  async start() {
    const { tags, span_s: span } = JSON.parse(this.dataset.about);
    const stage = h("div", { class: "stage small-stage" });
    try {
      const found = await Promise.all(tags.map(async (name) => (await get(`tags?${query({ search: name, limit: 50 })}`)).tags.find((tag) => tag.name === name)));
      const known = found.filter(Boolean);
      const names = known.map((tag, n) => h("span", { class: "key-line small" }, h("i", { style: `border-top:3px ${n > 3 ? "dashed" : "solid"} ${colour(n)}` }), `${t(tag.title) || tag.property} · ${tag.asset.split("/").slice(1).join("/") || tag.asset}`));
      this.replaceChildren(h("div", { class: "bar" }, names), stage);
      const chart = new TrendChart(stage, known, span * 1000);
      this.own(() => chart.close());
    } catch (error) {
      this.complain(error, () => this.start());
    }
  }
}

customElements.define("bt-echart", Chart);
customElements.define("bt-trend", Trend);
