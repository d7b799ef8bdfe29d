"""A door with three apps behind it: alarms, jobs, and one whose pages use every word of views."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from baotu.sdk import Caller, Conflict, Denied, Invalid, view
from baotu.sdk.door import Change, Look, Verb

from .signals import SECOND, FakeHistory, FakePlant


def asks(**fields: tuple[str, str]) -> dict[str, Any]:
    """JSON Schema from name=(type, title); a name that ends in _ may be left out."""
    return {
        "type": "object", "additionalProperties": False,
        "properties": {n.rstrip("_"): {"type": t, "title": title} for n, (t, title) in fields.items()},
        "required": [n for n in fields if not n.endswith("_")],
    }  # fmt: skip


class FakeDoor:
    def __init__(
        self, plant: FakePlant, history: FakeHistory, now: Callable[[], int], fire: bool
    ) -> None:
        self.plant, self.history, self.now = plant, history, now
        self.tellers: list[Callable[[Change], None]] = []
        self.lock = threading.Lock()
        self.alarms = (
            [
                self._alarm(n, tag, size)
                for n, (tag, (_, size)) in enumerate(history.faulty.items(), 1)
            ]
            if fire
            else []
        )
        self.targets: list[tuple[str, float]] = []
        self.notes: list[dict] = []
        some = fire and any(tag.property == "speed" for tag in plant.all_tags())
        self.requests = [self._request(1, "speed")] if some else []
        self.jobs = [
            {"id": 2, "app": "rental", "solve": "plan_round", "caller": "planner", "state": "running", "progress": 0.62, "error": ""},
            {"id": 1, "app": "rental", "solve": "plan_round", "caller": "planner", "state": "done", "progress": 1.0, "error": ""},
        ] if len(plant.all_tags()) else []  # fmt: skip

    def _alarm(self, n: int, tag: int, size: float) -> dict[str, Any]:
        known = self.plant.by_id(tag)
        zh, en = known.title.split(" ", 1)
        acknowledged, since = n % 3 == 0, self.now() - (1900 - n * 31) * SECOND
        return {
            "id": n, "app": "overheat", "tag": tag, "kind": "high", "priority": (1, 2, 3, 3, 4)[n % 5], "active": n % 6 != 0,
            "message": f"{zh} {known.high * 1.1:.4g}，高于上限 {known.high:g} {en} {known.high * 1.1:.4g} is above its limit {known.high:g}",
            "raised": since, "returned": 0 if n % 6 else self.now() - 60 * SECOND, "acknowledged": acknowledged,
            "acknowledged_by": "li.na" if acknowledged else "", "shelved_until": self.now() + 3600 * SECOND if n % 11 == 0 else 0,
            "suppressed": "", "comment": "", "count": 1,
        }  # fmt: skip

    def verbs(self) -> list[Verb]:
        alarm = ("integer", "报警 Alarm")
        rows = [
            ("alarms", "open", "query", "未结报警 Open alarms", asks()),
            ("alarms", "history", "query", "报警历史 Alarm history", asks(limit_=("integer", "条数 Limit"))),
            ("alarms", "acknowledge", "command", "确认 Acknowledge", asks(alarm=alarm)),
            ("alarms", "shelve", "command", "搁置 Shelve",
             asks(alarm=alarm, minutes=("number", "分钟 Minutes"), reason=("string", "原因 Reason"))),
            ("alarms", "unshelve", "command", "取消搁置 Unshelve", asks(alarm=alarm)),
            ("jobs", "runs", "query", "任务 Jobs", asks()),
            ("jobs", "cancel", "command", "取消 Cancel", asks(job=("integer", "任务 Job"))),
            ("pumping", "set_target", "command", "设定目标效率 Set a target",
             asks(pump=("string", "泵 Pump"), percent=("number", "目标效率 Target efficiency"))),
            ("pumping", "figures", "query", "泵能效 Pump figures", asks()),
            ("notes", "add", "command", "写批注 Write a note",
             asks(tags=("string", "位号 Tags"), since=("string", "开始 Begin"), text=("string", "内容 Text"), until_=("string", "结束 End"))),
            ("notes", "remove", "command", "删除批注 Remove a note", asks(note=("integer", "批注 Note"), reason=("string", "原因 Reason"))),
            ("notes", "between", "query", "批注 Notes", asks(tags=("string", "位号 Tags"), since=("string", "开始 Begin"), until=("string", "结束 End"))),
            ("approvals", "waiting", "query", "待批 Waiting", asks()),
            ("approvals", "approve", "command", "批准 Approve", asks(request=("integer", "编号 Number"), reason=("string", "理由 Reason"))),
            ("approvals", "refuse", "command", "不批准 Refuse", asks(request=("integer", "编号 Number"), reason=("string", "理由 Reason"))),
            ("pumping", "overview", "page", "泵能效 Pump efficiency", asks()),
            ("pumping", "words", "page", "视图词汇 Vocabulary", asks()),
        ]  # fmt: skip
        return [
            Verb(app=a, name=n, kind=k, title=t, summary=f"{t.split(' ', 1)[1]}. {t.split(' ', 1)[0]}。",
                 permission=f"{a}.{n}" if k == "command" else f"{a}.read",
                 duty="operate" if k == "command" else "see", takes=takes, gives={})
            for a, n, k, t, takes in rows
        ]  # fmt: skip

    def call(
        self, app: str, name: str, arguments: Mapping[str, Any], caller: Caller, key: str = ""
    ) -> Any:
        verb = next(v for v in self.verbs() if (v.app, v.name) == (app, name))
        if verb.permission not in caller.permissions:
            raise Denied(f"{caller.name} lacks {verb.permission}; ask an administrator")
        with self.lock:
            answer = getattr(self, f"_{app}_{name}")(**self._checked(verb, arguments))
        if verb.kind == "command":
            for tell in list(self.tellers):
                tell(Change(organisation=caller.organisation, tables=frozenset({app})))
        return answer

    def _checked(self, verb: Verb, arguments: Mapping[str, Any]) -> dict[str, Any]:
        known, given = verb.takes["properties"], {}
        for name in verb.takes["required"]:
            if name not in arguments:
                raise Invalid(name, "is required")
        for name, value in arguments.items():
            if name not in known:
                raise Invalid(name, f"is not asked for; {', '.join(known)} are")
            try:
                given[name] = {"integer": int, "number": float, "string": str}[known[name]["type"]](
                    value
                )
            except (TypeError, ValueError, OverflowError) as error:
                raise Invalid(name, f"must be a {known[name]['type']}") from error
        return given

    def look(self, app: str, name: str, arguments: Mapping[str, Any], caller: Caller) -> Look:
        if name not in ("overview", "words") or app != "pumping":
            raise Conflict("page", f"{app}.{name} does not exist")
        if f"{app}.read" not in caller.permissions:
            raise Denied(f"{caller.name} lacks {app}.read; ask an administrator")
        return Look(getattr(self, f"_{app}_{name}")(), frozenset({app}))

    def watch(self, tell: Callable[[Change], None]) -> Callable[[], None]:
        self.tellers.append(tell)
        return lambda: self.tellers.remove(tell)

    def _alarms_open(self) -> list[dict]:
        return [
            a for a in self.alarms if a["active"] or not a["acknowledged"] or a["shelved_until"]
        ]

    def _alarms_history(self, limit: int = 100) -> list[dict]:
        rows = [{"id": n, "alarm": a["id"], "time": a["raised"], "what": "raised", "who": a["app"], "message": a["message"]}
                for n, a in enumerate(self.alarms)]  # fmt: skip
        rows += [{"id": 0, "alarm": a["id"], "time": a["raised"] + 9 * SECOND, "what": "acknowledged", "who": "li.na", "message": ""}
                 for a in self.alarms if a["acknowledged"]]  # fmt: skip
        return sorted(rows, key=lambda r: -r["time"])[:limit]

    def _find(self, rows: list[dict], id: int, field: str) -> dict:
        found = next((r for r in rows if r["id"] == id), None)
        if found is None:
            raise Conflict(field, f"{id} does not exist")
        return found

    def _alarms_acknowledge(self, alarm: int) -> int:
        self._find(self.alarms, alarm, "alarm").update(
            acknowledged=True, acknowledged_by="operator"
        )
        return alarm

    def _alarms_shelve(self, alarm: int, minutes: float, reason: str) -> int:
        if minutes <= 0:
            raise Invalid("minutes", "must be more than 0")
        self._find(self.alarms, alarm, "alarm")["shelved_until"] = self.now() + int(
            minutes * 60 * SECOND
        )
        return alarm

    def _alarms_unshelve(self, alarm: int) -> int:
        self._find(self.alarms, alarm, "alarm")["shelved_until"] = 0
        return alarm

    def _request(self, number: int, property: str) -> dict[str, Any]:
        tag = next(t for t in self.plant.all_tags() if t.property == property)
        return {
            "id": number, "tag": tag.name, "title": tag.title, "unit": tag.unit, "low": tag.low, "high": tag.high,
            "before": 1180.0, "value": 1450.0, "reason": "轴承换好，恢复转速 Bearing replaced, back to speed", "evidence": [],
            "override": False, "asker": "wu.gang", "source": "", "asked": stamp(self.now()), "until": stamp(self.now() + 840 * SECOND),
            "state": "waiting", "decided_by": "", "decided_why": "", "result": "",
        }  # fmt: skip

    def _approvals_waiting(self) -> list[dict]:
        return self.requests

    def _approvals_approve(self, request: int, reason: str) -> str:
        if not reason.strip():
            raise Invalid("reason", "say why: it stays in the audit")
        self.requests = [one for one in self.requests if one["id"] != request]
        return "approved"

    _approvals_refuse = _approvals_approve

    def _jobs_runs(self) -> list[dict]:
        return self.jobs

    def _jobs_cancel(self, job: int) -> int:
        self._find(self.jobs, job, "job")["state"] = "cancelled"
        return job

    def _pumping_set_target(self, pump: str, percent: float) -> float:
        if not 0 <= percent <= 100:
            raise Invalid("percent", "must lie between 0 and 100")
        self.targets.append((pump, percent))
        return percent

    def _pumping_figures(self) -> list[dict]:
        return [{"pump": p, "target": t} for p, t in self.targets]

    def _notes_add(self, tags: str, since: str, text: str, until: str = "") -> int:
        if not text.strip():
            raise Invalid("text", "写上内容 Write what is to be noted")
        self.notes.append({"id": len(self.notes) + 1, "tags": tags.split(","), "since": since, "until": until or since,
                           "text": text, "author": "operator", "written": since, "why": ""})  # fmt: skip
        return len(self.notes)

    def _notes_remove(self, note: int, reason: str) -> int:
        self._find(self.notes, note, "note")["why"] = reason
        return note

    def _notes_between(self, tags: str, since: str, until: str) -> list[dict]:
        return [n for n in self.notes if not n["why"] and set(n["tags"]) & set(tags.split(","))
                and n["since"] <= until and n["until"] >= since]  # fmt: skip

    def _pumping_overview(self) -> view.View:
        pumps = self.plant.ids("Pump", "flow")[:5].tolist()
        rows = tuple(
            (self.plant.by_id(t).asset, 71.2 + n, 0.31 + n / 50, 75.0) for n, t in enumerate(pumps)
        )
        rows += tuple((p, None, None, t) for p, t in self.targets)
        tiles = (view.Tile("平均效率 Mean efficiency", 72.9, "%", 70, 85), view.Tile("最低 Lowest", 61.0, "%", 70, 85),
                 view.Tile("在测泵 Pumps measured", 5, link="/tags"))  # fmt: skip
        return view.column(
            view.Tiles(tiles),
            view.Trend(tuple(self.plant.by_id(t).name for t in pumps[:3]), "2 h", "流量 Flow"),
            view.Table(("泵 Pump", "效率 Efficiency, %", "单耗 Specific energy, kW·h/m³", "目标 Target, %"), rows, "泵能效 Pump efficiency",
                       links=tuple(f"/asset/{r[0]}" for r in rows), actions=(view.Action("set_target", (("pump", 0),)),)),
            view.Form("set_target"),
        )  # fmt: skip

    def _pumping_words(self) -> view.View:
        start = datetime(2026, 6, 1, tzinfo=UTC)
        x = tuple(start + timedelta(minutes=5 * n) for n in range(288))
        series = tuple(view.Series(name, x, tuple(60 + 12 * math.sin(n / 30 + s) for n in range(288)))
                       for s, name in enumerate(("进口 Inlet", "出口 Outlet")))  # fmt: skip
        hours = [start + timedelta(hours=h) for h in range(24)]
        bars = tuple(view.Bar(row, hours[a], hours[b], order) for row, a, b, order in (
            ("加工中心 1 Centre 1", 0, 5, "A17"), ("加工中心 1 Centre 1", 6, 11, "B02"), ("加工中心 2 Centre 2", 2, 9, "A17"),
            ("加工中心 3 Centre 3", 4, 8, "C30")))  # fmt: skip
        return view.column(
            view.Markdown("**视图是值** — a page is a function that returns one of these words."),
            view.row(view.Chart(series, unit="°C", title="温度 Temperature"), view.Gauge(72.5, 0, 100, "%", "设备综合效率 OEE")),
            view.Gantt(bars, "排程 Schedule"),
            view.row(
                view.Graph(("铁矿 ore", "钢厂 mill", "press", "car"), (("铁矿 ore", "钢厂 mill"), ("钢厂 mill", "press"), ("press", "car")),
                           title="供应链 Supply chain"),
                view.Map((view.Place("press 3", 117.0, 36.66), view.Place("mill 7", 117.11, 36.69), view.Place("crane 1", 116.96, 36.71)),
                         ("press 3", "mill 7", "crane 1"), "送货路线 Round"),
            ),
            view.Scene((view.Box("bed", (0, 0, 0.5), (6, 2, 1)), view.Box("head", (-2, 0, 1.5), (1.5, 1.5, 1), "#5f7d8c")), "三维 Scene"),
        )  # fmt: skip


def stamp(time: int) -> str:
    return datetime.fromtimestamp(time / SECOND, UTC).isoformat().replace("+00:00", "Z")
