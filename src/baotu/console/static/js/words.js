/** Words for people: parts, states, outcomes, qualities, figures, reasons. All of them «中文 English». */
import { grouped, t, zh } from "./core.js";

/** Kinds of parts: one of them, and the heading over several. */
export const KINDS = {
  edge: ["边缘 Edge", "边缘节点 Edge nodes"], peer: ["加入的节点 Joined node", "加入本中心的节点 Nodes that joined this hub"], link: ["链路 Link", "链路 Links"], device: ["设备 Device", "设备与驱动 Devices and drivers"],
  server: ["服务 Server", "对外服务 Servers"], history: ["历史库 History", "历史库 History"], app: ["应用 App", "应用 Apps"], node: ["节点 Node", "本节点 This node"], room: ["部件 Part", "部件 Parts"], audit: ["审计日志 Audit log", "审计日志 Audit log"],
};
export const kind = (name) => t(KINDS[name]?.[0] ?? name);
export const kinds = (name) => t(KINDS[name]?.[1] ?? name);

export const STATES = { up: "正常 Up", starting: "启动中 Starting", degraded: "降级 Degraded", down: "中断 Down", off: "停用 Off" };
/** What the platform itself audits; verbs of apps bring their titles. */
const VERBS = { "config.replace": "修改配置 Change the configuration", "config.change": "修改配置 Change the configuration", "tags.write": "写位号 Write a tag", "tags.sign_in": "登录写入 Sign in to write", "faults.switch": "切换故障 Switch a fault", "audit.forget": "清理已封存的审计行 Forget sealed rows",
  "people.sign_in": "登录 Sign in",
  "people.sign_out": "退出登录 Sign out",
  "people.first_link": "第一位管理员的链接 Link for the first administrator",
  "people.link": "一次性链接 One-time link",
  "people.welcome": "使用一次性链接 Use a one-time link",
  "people.second_factor": "第二因素 Second factor",
  "people.passkey": "用通行密钥登录 Sign in with a passkey",
  "people.outside": "用外部身份登录 Sign in from outside",
  "people.confirm": "再次确认本人 Confirm who one is",
  "people.password": "修改口令 Change the password",
  "people.codes": "新的恢复码 New recovery codes",
  "people.totp_add": "加验证器 Add an authenticator",
  "people.totp_remove": "去掉验证器 Remove the authenticator",
  "people.passkey_add": "加通行密钥 Add a passkey",
  "people.passkey_remove": "去掉通行密钥 Remove a passkey",
  "people.token_new": "新 API 令牌 New API token",
  "people.token_revoke": "吊销 API 令牌 Revoke an API token",
  "people.end_session": "结束会话 End a session",
  "people.forget_factors": "撤下第二因素 Take off second factors",
  "people.roles": "角色随身份提供方 Roles from the provider",
  "people.link_identity": "关联外部身份 Link an outside identity",
  "people.unlink_identity": "解除外部身份 Unlink an outside identity",
  "devices.enrol": "注册设备 Enrol a device",
  "devices.renew": "更新证书 Renew a certificate",
  "devices.connect": "设备连接 A device connects",
  "devices.voucher": "设备凭单 Voucher for a device",
  "oidc.authorize": "其他程序登录 Sign-in for a program",
  "oidc.token": "发令牌给程序 Tokens for a program",
  "oidc.revoke": "吊销程序的令牌 Revoke a program's tokens",
  "oidc.logout": "从程序退出 Sign out from a program",
  "tags.bring": "边缘带来位号 An edge brings tags",
  "apps.replay": "补给采样 Replay samples",
};
export const verb = (name) => t(VERBS[name] ?? name);
const OUTCOMES = { allowed: "已允许 Allowed", answered: "已回答 Answered", ok: "已完成 Done", noted: "已记录 Noted", done: "已完成 Done", denied: "无权限 Denied", conflict: "有冲突 Conflict", refused: "被拒绝 Refused", expired: "已过期 Expired", invalid: "无效 Invalid", waiting: "待批 Waits for approval", unknown: "结果不明 End unknown", bug: "程序错误 Bug" };
export const outcome = (name) => t(OUTCOMES[name] ?? name);

/** What a quality says after «uncertain» or «bad»; `quality < 64` is good, `< 128` uncertain. */
const QUALITY = {
  0x40: "可疑 Uncertain", 0x41: "最后可用值 Last usable value", 0x42: "初始值 Initial value", 0x43: "传感器不准 Sensor not accurate", 0x44: "超出量程 Out of engineering range", 0x45: "来源不足 Too few sources", 0x46: "替代值 Substitute value",
  0x80: "坏值 Bad", 0x81: "通信中断 No communication", 0x82: "超时 Timed out", 0x83: "设备故障 Device failure", 0x84: "传感器故障 Sensor failure", 0x85: "已停用 Out of service", 0x86: "未连接 Not connected", 0x87: "配置错误 Configuration error",
  0x88: "地址不存在 Address unknown", 0x89: "无法解码 Cannot be decoded", 0x8a: "超出范围 Out of range", 0x8b: "等待首个数据 Waiting for first data", 0x8c: "无权读取 Access denied", 0x8d: "没有数据 No data", 0x8e: "数据丢失 Data lost", 0x8f: "内部错误 Internal error",
};
export const reason = (code) => t(QUALITY[code] ?? (code < 128 ? QUALITY[0x40] : QUALITY[0x80]));
export const quality = (code) => (code < 64 ? t("好 Good") : `${t(code < 128 ? "可疑 Uncertain" : "坏 Bad")}${zh ? "：" : ": "}${reason(code)}`) + ` (0x${code.toString(16).padStart(2, "0")})`;

/** Errors of operating systems and wires, in words; the exact text stays on hover. */
const WHYS = [
  [/Connect call failed \('([^']+)', (\d+)/, (m) => `${at(m[1], m[2])} 拒绝连接：设备断网或未运行 Connection refused by ${at(m[1], m[2])}: the device is off or cut off`],
  [/^the hub does not answer/, () => "中心没有应答，采样存在边缘的磁盘上 The hub does not answer; samples wait on the edge's disk"],
  [/^no tags yet, nothing to send/, () => "还没有位号，没有要送的 No tags yet, nothing to send"],
  [/^it is busy$/, () => "中心忙 The hub is busy"],
  [/Multiple exceptions|Connection refused|Errno 111/i, () => "对端拒绝连接：设备断网或未运行 Connection refused: the device is off or cut off"],
  [/Name or service not known|getaddrinfo|nodename nor servname/i, () => "主机名无法解析，检查地址 The host name cannot be resolved; check the address"],
  [/Network is unreachable|No route to host/i, () => "网络不可达，检查线缆和路由 The network is unreachable; check cables and routes"],
  [/Connection reset|Broken pipe|closed the connection|connection lost|EOF/i, () => "对端断开了连接 The other side closed the connection"],
  [/^.{0,60}\b(timed out|timeout|TimeoutError)\b.{0,40}$/i, () => "没有按时应答 No answer in time"],
];
const at = (host, port) => (host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`);
export function why(text) {
  for (const [pattern, say] of WHYS) {
    const found = pattern.exec(text ?? "");
    if (found) return t(say(found));
  }
  return t(text);
}

/** Figures of parts in the order of reading: [title, unit]. A `!` marks what should be zero. */
const FIGURES = {
  secured: ["链路保护 Secured by"], certificate_until: ["证书有效至 Certificate until"], last_refusal: ["最近一次拒绝 Last refusal"], last_refusal_at: ["拒绝时间 Refused at"], tags_refused: ["被拒位号 Tags refused", "!"], links: ["链路数 Links"], organisation: ["组织 Organisation"],
  driver: ["驱动 Driver"], address: ["地址 Address"], samples_per_s: ["采样率 Rate", "/s"], tags: ["位号 Tags"], devices: ["设备 Devices"], edges: ["边缘 Edges"], lag_ms: ["采集延迟 Lag", "ms"],
  samples: ["采样 Samples"], samples_in: ["采入 Samples in"], samples_out: ["送出 Samples out"], waiting: ["待送 Waiting"], queued: ["排队 Queued"], queued_bytes: ["排队字节 Queued bytes", "B"],
  log_bytes: ["缓存 Buffer used", "B"], log_limit: ["缓存上限 Buffer limit", "B"], commit_p50_ms: ["提交中位 Commit, median", "ms"], commit_p99_ms: ["提交 99% Commit, 99th percentile", "ms"], commits: ["提交 Commits"],
  frames: ["帧 Frames"], messages: ["消息 Messages"], last: ["最新帧号 Last frame"], durable: ["已落盘帧号 Frame on disk"], linked: ["已连中心 Linked", "?"], draining: ["补传中 Catching up", "?"],
  requests: ["请求 Requests"], answers: ["应答 Answers"], writes: ["写 Writes"], writes_refused: ["被拒的写 Writes refused"], items: ["监视项 Items"], subscriptions: ["订阅 Subscriptions"], changes: ["变化 Changes"], discovered: ["发现的节点 Nodes found"], discovery: ["浏览 Browsing"],
  nodes: ["边缘网关 Gateways"], nodes_online: ["在线网关 Online"], metrics: ["指标 Metrics"], rebirths: ["请求重报 Rebirths"], connects: ["连接次数 Connections"], reopened: ["重连次数 Reconnections"], history_values: ["补读历史 Values read back"],
  protocols: ["协议 Protocols"], samples_kept: ["已存采样 Samples kept"], apps: ["应用 Apps"], served_as: ["对外服务 Served as"], pump: ["泵 Pump"], efficiency_percent: ["效率 Efficiency", "%"],
  file: ["文件 File"], columns: ["列 Columns"], progress: ["进度 Progress", "%"],
  samples_hot: ["热区采样 Samples, hot"], samples_raw: ["原始采样 Samples, raw"], running: ["运行 Running", "?"], later: ["迟到采样 Late samples"],
  samples_lost: ["丢失采样 Samples lost", "!"], dropped: ["丢弃 Dropped", "!"], frames_missing: ["缺帧 Frames missing", "!"], missing: ["缺帧 Frames missing", "!"], lost_frames: ["丢帧 Frames lost", "!"], timeouts: ["超时 Timeouts", "!"], late: ["迟到应答 Late answers", "!"], refused: ["被拒 Refused", "!"], refusals: ["被拒的地址 Refused addresses", "!"], malformed: ["畸形报文 Malformed", "!"],
  missed_ticks: ["错过周期 Missed cycles", "!"], losses: ["断线 Losses", "!"], gaps: ["序号断档 Sequence gaps", "!"], skipped: ["跳过 Skipped", "!"], unknown: ["未配置的指标 Unconfigured", "!"], unknown_samples: ["不明采样 Unknown samples", "!"], strangers: ["不明位号 Unknown tags", "!"], quarantined: ["隔离 Quarantined", "!"],
  queue_overflows: ["队列溢出 Queue overflows", "!"], clock_jumps: ["时钟跳变 Clock jumps", "!"], trouble: ["磁盘故障 Disk trouble", "!?"], without_history: ["无历史的节点 Nodes without history", "!"], last_unreadable: ["最近无法读懂 Last unreadable", "!"], history: ["历史读取 History reading", "!"],
};
const ORDER = Object.keys(FIGURES);

/** [{title, text, idle}] of what a part tells, in the order of reading; unknown names stay generic. */
export function figures(told) {
  return Object.entries(told)
    .filter(([, value]) => value !== "" && value !== null)
    .sort(([a], [b]) => place(a) - place(b))
    .map(([name, value]) => {
      const [title, form = ""] = FIGURES[name] ?? [name.replaceAll("_", " ").replace(/^./, (c) => c.toUpperCase())];
      return { name, title: t(title), text: figure(value, form), idle: value === 0 };
    });
}
const place = (name) => (ORDER.indexOf(name) + 1 || ORDER.length + 1);

function figure(value, form) {
  if (typeof value !== "number") return t(String(value));
  if (form.includes("?")) return t(value ? "是 Yes" : "否 No");
  if (form === "B") return bytes(value);
  const sign = form === "!" ? "" : form;
  return `${spaced(value, 1)}${sign ? (sign.startsWith("/") ? sign : `\u2009${sign}`) : ""}`;
}
export function bytes(value) {
  const step = value >= 1e9 ? ["GB", 1e9] : value >= 1e6 ? ["MB", 1e6] : value >= 1e3 ? ["kB", 1e3] : ["B", 1];
  return `${spaced(value / step[1], step[1] === 1 ? 0 : 1)}\u2009${step[0]}`;
}
/** Thin spaces between thousands. */
export function spaced(value, decimals = 3) {
  return grouped(Number(value.toFixed(decimals)));
}
