/** What every part uses: language, elements, the API, words for values. No framework, no module state but the language. */

export const zh = document.documentElement.lang.startsWith("zh");
export const base = zh ? "/zh" : "/en";
const HAN = "\\u3400-\\u9fff";
const FIRST = new RegExp(`^(.*[${HAN}）。？！：][^${HAN}]*?) +([A-Z][^${HAN}]*)$`, "s");
const THEN = new RegExp(`^(.*[${HAN}）。？！：]) +([^${HAN}\\s][^${HAN}]*)$`, "s");
const ENGLISH = new RegExp(`^([^${HAN}]*\\S)\\s+([${HAN}].*)$`, "s");

/** «中文 English» in the language of the page; the same rule as `in_language` of the SDK. */
export function t(title) {
  if (!title) return "";
  const seam = title.indexOf("\u2002"); // where the server put both languages together
  if (seam >= 0) return zh ? title.slice(0, seam) : title.slice(seam + 1);
  let both = FIRST.exec(title) || THEN.exec(title);
  if (both) return both[zh ? 1 : 2];
  both = ENGLISH.exec(title);
  return both ? both[zh ? 2 : 1] : title;
}

/** An element: h("a", {class: "x", href: "/", onclick: f}, "text", [more]). */
export function h(tag, about = {}, ...inside) {
  const el = document.createElement(tag);
  set(el, about);
  el.append(...inside.flat(9).filter((part) => part !== null && part !== undefined && part !== false));
  return el;
}

export function svg(tag, about = {}, ...inside) {
  const el = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(about)) el.setAttribute(name, value);
  el.append(...inside.flat(9).filter(Boolean));
  return el;
}

function set(el, about) {
  for (const [name, value] of Object.entries(about)) {
    if (name.startsWith("on")) el.addEventListener(name.slice(2), value);
    else if (name === "class") el.className = value;
    else if (value === true) el.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) el.setAttribute(name, value);
  }
}

export class Problem extends Error {
  constructor(about, status) {
    super(about.detail || about.title || String(status));
    Object.assign(this, about, { status });
  }
}

async function asked(address, options) {
  let answer;
  try {
    answer = await fetch(address, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem({ detail: t("连不上服务，正在重试。 The server cannot be reached; trying again.") }, 0);
  }
  const told = await answer.json().catch(() => ({ detail: answer.statusText }));
  if (answer.status === 401 && !/\/(sign-in|sign-out|welcome)$/.test(location.pathname)) location.replace(`${base}/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`);
  if (!answer.ok) throw new Problem(told, answer.status);
  return told;
}

export const get = (address, options = {}) => asked(`/api/${address}`, options);
export const send = (address, body, method = "POST", key = crypto.randomUUID?.() ?? String(Math.random())) =>
  asked(`/api/${address}`, { method, body: JSON.stringify(body), headers: { "content-type": "application/json", "idempotency-key": key } });
export const query = (fields) => {
  const pairs = Object.entries(fields).flatMap(([k, v]) => (Array.isArray(v) ? v.map((one) => [k, one]) : v === "" || v === null || v === undefined ? [] : [[k, v]]));
  return new URLSearchParams(pairs).toString();
};

/** A part of a page: starts when shown, lets go of what it owns when taken away. */
export class Part extends HTMLElement {
  connectedCallback() {
    this.stops = [];
    this.start();
  }
  disconnectedCallback() {
    this.stops.forEach((stop) => stop());
  }
  own(stop) {
    this.stops.push(stop);
  }
  /** Run now and again, but not while nobody looks. A problem is shown, never swallowed. */
  every(seconds, work) {
    const run = async () => {
      if (document.hidden) return;
      try {
        await work();
        this.querySelector(":scope > .problem")?.remove();
      } catch (error) {
        this.complain(error, run);
      }
    };
    run();
    const timer = setInterval(run, seconds * 1000);
    const shown = () => !document.hidden && run();
    document.addEventListener("visibilitychange", shown);
    this.own(() => (clearInterval(timer), document.removeEventListener("visibilitychange", shown)));
    return run;
  }
  complain(error, again) {
    this.querySelector(":scope > .problem")?.remove();
    this.prepend(problem(error, again));
  }
}

export function problem(error, again) {
  const where = error.instance ? h("span", { class: "small muted" }, error.instance) : null;
  return h("div", { class: "problem", role: "alert" }, h("b", {}, t(error.message)), where,
    again ? h("button", { class: "btn", onclick: () => again() }, t("再试 Try again")) : null);
}

export function empty(text, ...acts) {
  return h("div", { class: "empty" }, h("p", {}, t(text)), ...acts);
}

export function toast(text, wrong = false) {
  document.querySelector(".toast")?.remove();
  const box = h("div", { class: wrong ? "toast wrong" : "toast", role: "status" }, text);
  document.body.append(box);
  setTimeout(() => box.remove(), wrong ? 8000 : 3000);
}

/** A path that is cut at its beginning, as its end tells more. */
export const tail = (path) => h("span", { class: "cut tail", title: path }, h("bdi", {}, path));

/** Assets in the order people count: unit-2 before unit-10. */
export const byName = (a, b) => a.path.localeCompare(b.path, undefined, { numeric: true });

export const link = (path) => (path.startsWith("/") ? base + path : path);
export const assetLink = (path) => `${base}/asset/${path.split("/").map(encodeURIComponent).join("/")}`;
export const trendLink = (names) => `${base}/trends?${query({ tag: names })}`;

const UNITS = { Cel: "°C", "1": "", "/min": "r/min", "kW.h": "kW·h", "m3/h": "m³/h", "kW.h/m3": "kW·h/m³", "m/s2": "m/s²", deg: "°", "[degF]": "°F", m3: "m³", m2: "m²" };
export const unit = (code) => UNITS[code] ?? (code || "").replace(/Ohm\b/, "Ω").replace(/\./g, "·").replace(/3\b/g, "³").replace(/2\b/g, "²");

/** As many decimals as a reader can use: by the width of the normal range, else by size. */
export function number(value, tag = {}) {
  if (typeof value === "string") return value || "–";
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (tag.kind === "boolean") return value ? t("是 Yes") : t("否 No");
  const scale = tag.low != null && tag.high != null && tag.high > tag.low ? tag.high - tag.low : Math.abs(value);
  const decimals = scale >= 1000 ? 0 : scale >= 20 ? 1 : scale >= 2 ? 2 : 3;
  const text = value.toFixed(Number.isInteger(value) && tag.low == null ? 0 : decimals);
  return grouped(text);
}
/** Thin spaces between thousands, in both languages. */
export const grouped = (text) => String(text).replace(/^-?\d+/, (whole) => whole.replace(/\B(?=(\d{3})+$)/g, "\u2009"));

const two = (n) => String(n).padStart(2, "0");
export function clock(time, date = "auto") {
  if (!time) return "–";
  const at = new Date(time);
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  const hour = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  return date === "always" || (date === "auto" && new Date().toDateString() !== at.toDateString()) ? `${day} ${hour}` : hour;
}
/** Today by the clock, older by how long ago. */
export const when = (time) => (!time ? "–" : new Date().toDateString() === new Date(time).toDateString() ? clock(time) : before(time));
/** How long ago, as a phrase. */
export const before = (time) => (zh ? `${ago(time)}前` : `${ago(time)} ago`);
export function ago(time) {
  const s = Math.max(0, (Date.now() - new Date(time)) / 1000);
  const [n, word] = s < 90 ? [s, "秒 s"] : s < 5400 ? [s / 60, "分 min"] : s < 172800 ? [s / 3600, "时 h"] : [s / 86400, "天 d"];
  return `${Math.round(n)} ${t(word)}`;
}
