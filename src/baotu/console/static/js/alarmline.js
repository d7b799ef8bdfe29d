/** One alarm as a line: priority, what, where, since when. */
import { ago, assetLink, clock, h, t, tail } from "./core.js";
import { shape } from "./shapes.js";

export function alarmState(alarm) {
  if (alarm.shelved_until) return `${t("已搁置至 Shelved until")} ${clock(alarm.shelved_until)}`;
  if (alarm.suppressed) return `${t("已抑制 Suppressed")}: ${alarm.suppressed}`;
  if (!alarm.active) return alarm.acknowledged ? t("已恢复 Cleared") : t("已恢复，待确认 Cleared, to be acknowledged");
  return alarm.acknowledged ? t("已确认 Acknowledged") : t("未确认 Unacknowledged");
}

export function alarmLine(alarm) {
  const calls = alarm.active && !alarm.acknowledged && !alarm.hidden;
  const where = alarm.asset ? h("a", { class: "small muted", href: assetLink(alarm.asset) }, tail(alarm.asset)) : null;
  return h("li", { class: calls ? "line alarm calls" : "line alarm" }, shape(alarm.priority, alarm.hidden),
    h("span", { class: "grow" }, h("span", { class: "cut said", title: t(alarm.message) }, t(alarm.message)), where),
    h("time", { class: "small muted", title: clock(alarm.raised, "always") }, ago(alarm.raised)));
}
