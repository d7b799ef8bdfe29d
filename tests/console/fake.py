"""Every port of the console in memory, over a lively plant of any size.

`python -m tests.console.fake --port 8090 --tags 1240 --mode fire` serves it.
"""

from __future__ import annotations

import argparse
import re
import threading
import time
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn

from baotu.console import Rooms, build
from baotu.sdk import Caller, ConfigError, Denied, Invalid, Quality, Samples
from baotu.sdk.evidence import ROWS
from baotu.sdk.health import Health
from baotu.sdk.ports import AppCard, AppProcess, AuditRow, ElementRow, Proof
from baotu.sdk.reply import Reply
from baotu.sdk.trust import ACTIONS
from baotu.sdk.writing import Condition, Outlook

from .fake_audit import FakeAuditLog
from .fake_door import FakeDoor
from .signals import SECOND, FakeHistory, FakePlant

WARM = Caller("operator", "spring", frozenset())
CONFIG = """\
# 趵突 Baotu: one node
[node]
name = "hub"
role = "all"

[console]
listen = "[::1]:8080"

[history]
memory_mb = 96
retention = "400 d"

[[device]]
name = "plc-1"
driver = "modbus"
host = "plc-1.plant"
port = 502
tags = "plc-1.csv"

[app.overheat]
limit = 80.0
"""


class FakeLive:
    def __init__(self) -> None:
        self.tellers: list[Callable[[Samples], None]] = []

    def watch(self, tell):
        self.tellers.append(tell)
        return lambda: self.tellers.remove(tell)

    def publish(self, samples: Samples) -> None:
        for tell in list(self.tellers):
            tell(samples)


class FakeBoard:
    def __init__(self, healths: list[Health]) -> None:
        self.rows = {(h.kind, h.name): h for h in healths}

    def healths(self, kind=""):
        return [h for h in self.rows.values() if not kind or h.kind == kind]

    def put(self, health):
        self.rows[health.kind, health.name] = health


class FakeDesk:
    def __init__(self) -> None:
        self.kept = CONFIG

    def text(self):
        return self.kept

    def path(self):
        return Path("baotu.toml")

    def check(self, text):
        try:
            told = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            line = re.search(r"line (\d+)", str(error))
            return [ConfigError(str(error), f"baotu.toml:{line[1] if line else 1}")]
        known = {"node", "console", "history", "fabric", "edge", "device", "asset", "app"}
        lines = text.splitlines()
        return [
            ConfigError(
                f"unknown table {key!r}",
                f"baotu.toml:{next(n for n, line in enumerate(lines, 1) if key in line)}: {key}",
                f"the nearest is {get_close_matches(key, known, 1, 0)[0]!r}",
            )
            for key in told.keys() - known
        ]

    def changes(self, text):
        old, new = set(self.kept.splitlines()), set(text.splitlines())
        return [f"改变 Changes: {line}" for line in sorted(new - old) if line.strip()]

    def replace(self, text, caller, reason):
        if problems := self.check(text):
            raise problems[0]
        changes, self.kept = self.changes(text), text
        return changes


class FakeElements:
    def __init__(self, now: Callable[[], int], proved: tuple[str, ...]) -> None:
        self.now, self.proved = now, proved

    def elements(self):
        return [
            ElementRow(id=id, wing=wing, title=title, proofs=self._proofs(id),
                       asks="由真实部件运行并留下证据 Runs with real components and leaves evidence")
            for id, wing, title in ROWS
        ]  # fmt: skip

    def _proofs(self, id: str):
        if id not in self.proved:
            return ()
        claim = {"1.1": "三种协议的机器同时接入 Machines of three protocols acquired at once"}.get(
            id, "由实时数据计算 Computed from live data"
        )
        figures = {"samples": 1_240_000, "protocols": "modbus, opcua, sparkplug", "lost": 0}
        return (
            Proof(time=self.now() - 90 * SECOND, by="edge", claim=claim, figures=figures, page="/edges", count=312),
            Proof(time=self.now() - 4000 * SECOND, by="history", claim="断网后补传 Backfilled after a cut link",
                  figures={"frames": 1830, "lost": 0, "twice": 0}, page="/trends", count=4),
        )  # fmt: skip


class FakeAudit:
    def __init__(self, rows: list[AuditRow]) -> None:
        self.rows = rows

    def records(self, limit=200, search="", before=None, organisations=None):
        found = [
            r
            for r in self.rows
            if search.lower() in f"{r.caller} {r.verb} {r.outcome} {r.reason}".lower()
        ]
        return [r for r in found if before is None or r.time < before][:limit]


class FakeApps:
    def __init__(self, cards: list[AppCard]) -> None:
        self._cards = cards

    def cards(self):
        return self._cards


class FakeFaults:
    ROWS = (
        ("bearing_wear", "轴承磨损 · 1号泵 Bearing wear · Pump 1", "jinan/foundry/line-1/pump-1"),
        ("cavitation", "汽蚀 Cavitation", "jinan/utilities/line-1/pump-1"),
        ("sensor_drift", "传感器漂移 Sensor drift", "jinan/heat/line-1/furnace-1"),
        ("network_loss", "网络中断 Network loss", "plc-2"),
    )

    def __init__(self) -> None:
        self.on: dict[str, bool] = {}

    def faults(self):
        return [
            {"name": n, "title": t, "asset": a, "on": self.on.get(n, False)}
            for n, t, a in self.ROWS
        ]

    def switch(self, name, on):
        self.on[name] = on


class FakeWriting:
    """Motors and pumps may be written; furnaces need a second person; presses are barred."""

    def __init__(self, plant: FakePlant, history: FakeHistory) -> None:
        self.plant, self.history, self.done = plant, history, list[tuple[str, float | str, str]]()

    def outlook(self, tag: str, caller: Caller) -> Outlook:
        found = self.plant.tag(tag)
        number = found.asset.rpartition("-")[2]
        barred, approval = number.endswith("3"), number.endswith("2")
        samples = next(s for s in self.history.latest(np.array([found.id], "i4")) if len(s))
        told = Outlook(
            tag=found.name, kind=found.kind, unit=found.unit, title=found.title, low=found.low, high=found.high,
            value=samples.value.tolist()[0], quality=int(samples.quality[0]), time=int(samples.time[0]),
            approval=approval, approvers=("工程师 Engineer", "li.na") if approval else (),
            conditions=(Condition(text="jinan/foundry/line-1/guard == 1"),),
        )  # fmt: skip
        if barred:
            why = "区域「机加」关闭写入 Zone machining has writes off"
            told = replace(
                told, refused=why, policies=("zone-machining-off",), who_may=("工程师 Engineer",)
            )
        return told

    def write(self, tag, value, caller, reason, *, key="", override=False):
        told = self.outlook(tag, caller)
        if not reason.strip():
            raise Invalid("reason", "say why: it stays in the audit")
        if told.refused:
            raise Denied(told.refused)
        if told.approval:
            return Reply(done=False, why="申请 7 待批 Request 7 waits for approval", request=7)
        self.done.append((tag, value, reason))
        return Reply(done=True, value=value)


def healths(now: int, fire: bool) -> list[Health]:
    def part(
        kind: str,
        name: str,
        state: str = "up",
        why: str = "",
        ago: float = 7200,
        **figures: float | str,
    ):
        return Health(
            kind=kind,
            name=name,
            state=state,
            since=now - round(ago * SECOND),
            why=why,
            node="hub",
            figures=figures,
        )  # type: ignore[arg-type]

    rows = [part("node", "hub", ago=86_000, rss_mb=212.5, role="all")]
    rows += [
        part("edge", f"edge-{n}", samples_per_s=620, backlog_frames=0, log_mb=84.2) for n in (1, 2)
    ]
    rows += [part("link", f"edge-{n} → hub", frames_per_s=10, age_ms=112) for n in (1, 2)]
    rows += [part("device", f"plc-{n}", driver="modbus", address=f"[2001:db8::{n}]:502", tags=206, reads_per_s=11.5, answer_ms=4.2)
             for n in range(1, 7)]  # fmt: skip
    rows += [
        part("device", f"opc-{n}", driver="opcua", tags=180, values_per_s=180.0) for n in (1, 2)
    ]
    rows += [
        part("server", "opcua", address="opc.tcp://[::1]:4840", clients=1),
        part("history", "duckdb", commit_p99_ms=21.0),
    ]
    if fire:
        why = "2001:db8::2 连接被拒绝，第 41 次重试 Connection refused by 2001:db8::2, 41st retry"
        rows.append(part("device", "plc-2", "down", why, 1900, driver="modbus", tags=206))
        rows.append(
            part(
                "edge",
                "edge-2",
                "degraded",
                "积压 1,830 帧 1,830 frames behind",
                1900,
                backlog_frames=1830,
            )
        )
    return rows


def audit_rows(now: int, many: int) -> list[AuditRow]:
    kinds = (
        ("operator", "alarms.acknowledge", "alarms.acknowledge", "allowed", ""),
        ("li.na", "pumping.set_target", "pumping.target", "allowed", "季度目标 Quarterly target"),
        ("guest", "jobs.cancel", "jobs.cancel", "denied", "guest lacks jobs.cancel"),
        ("engineer", "config.replace", "config.replace", "allowed", "新增 plc-6 Added plc-6"),
    )
    return [
        AuditRow(id=many - n, time=now - n * 613 * SECOND, caller=c, verb=v, permission=p, outcome=o, reason=r)
        for n in range(1, many) for c, v, p, o, r in (kinds[n * 7 % 4],)
    ]  # fmt: skip


def cards(now: int) -> list[AppCard]:
    well = Health(
        kind="app",
        name="overheat",
        state="up",
        since=now - 3600 * SECOND,
        figures={"samples": 81_223, "alarms": 3},
    )
    return [
        AppCard(name="overheat", title="电机超温 Motor overheat", summary="Raise one alarm while a motor is hotter than its limit. 电机超温报警。",
                serves=("2.7",), settings={"limit": 80.0, "margin": 5.0}, listens=("Motor.temperature",), permissions=("alarm.raise",), health=well),
        AppCard(name="pumping", title="泵能效 Pump efficiency", summary="Efficiency of every pump. 泵效率与单位能耗。", serves=("2.7", "2.1"),
                settings={"margin": 2.0}, listens=("Pump.flow", "Pump.suction_pressure"), permissions=("pumping.target",), health=replace(well, name="pumping")),
        AppCard(name="vibration", title="振动诊断 Vibration diagnosis", summary="Diagnoses bearings from vibration. 由振动诊断轴承。", serves=("2.7",),
                settings={}, listens=("Motor.vibration",), permissions=(),
                health=replace(well, name="vibration", state="off", why="等待授权 waiting for a grant", figures={}),
                process=AppProcess(source="acme-vibration", version="acme-vibration 1.4.0",
                                   confined=("namespaces, another user", "Landlock 7", "seccomp", "no capabilities", "limits"),
                                   limits={"memory_mb": 256, "call_s": 2, "scratch_mb": 16},
                                   figures={"private_mb": 12.4, "rss_mb": 60.1, "cpu_s": 3.2, "calls": 120, "starts": 1},
                                   state="more", asks=("history.read", "tags.write"), granted=("history.read",))),
    ]  # fmt: skip


def rooms(size: int = 1240, mode: str = "well", now: Callable[[], int] = time.time_ns) -> Rooms:
    """mode: `few` (just installed), `well`, `fire` (alarms, dead devices, bad sensors)."""
    fire, few = mode == "fire", mode == "few"
    plant = FakePlant(0 if few else size)
    history = FakeHistory(plant, now)
    if fire:
        for n, tag in enumerate(t for t in plant.all_tags() if t.high is not None):
            if n % 37 == 0:
                history.faulty[tag.id] = (now() - 1900 * SECOND, 1.6 + n % 3 * 0.4)
        for tag in plant.all_tags():
            if tag.device == "plc-2":
                history.bad[tag.id] = (now() - 1900 * SECOND, Quality.BAD_NO_COMMUNICATION)
            elif tag.id % 53 == 0:
                history.bad[tag.id] = (now() - 7200 * SECOND, Quality.UNCERTAIN_SENSOR_NOT_ACCURATE)
    door = FakeDoor(plant, history, now, fire)
    everything = {v.permission for v in door.verbs()} | set(ACTIONS)
    caller = replace(WARM, permissions=frozenset(everything))
    audited = [] if few else audit_rows(now(), 400)
    board = FakeBoard([] if few else healths(now(), fire))
    return Rooms(
        door=door, history=history, plant=plant, live=FakeLive(), board=board, desk=FakeDesk(),  # type: ignore[arg-type]
        elements=FakeElements(now, () if few else ("1.1", "2.0", "2.1", "2.7")),
        audit=FakeAudit(audited), audit_log=FakeAuditLog(audited, now() - 240 * SECOND, fire), apps=FakeApps([] if few else cards(now())),
        identify=lambda request: caller, faults=None if few else FakeFaults(), node="hub",
        title="济南一厂 Jinan plant 1", version="0.1.0", now=now, names=("testserver",),
        writing=FakeWriting(plant, history),
    )  # fmt: skip


def beat(rooms: Rooms, stop: threading.Event, most: int = 20_000) -> None:
    """Tell the newest samples, four times a second a quarter of the plant."""
    ids = np.arange(min(len(rooms.plant.all_tags()), most), dtype="i4")
    turn = 0
    while not stop.wait(0.25):
        part = ids[turn % 4 :: 4]
        turn += 1
        for samples in rooms.history.samples(
            part, np.full(len(part), rooms.now() // 10**6 * 10**6)
        ):  # type: ignore[attr-defined]
            rooms.live.publish(samples)  # type: ignore[attr-defined]


def main(arguments: Mapping[str, Any]) -> None:
    given, stop = rooms(arguments["tags"], arguments["mode"]), threading.Event()
    threading.Thread(target=beat, args=(given, stop), daemon=True).start()
    server = uvicorn.Server(uvicorn.Config(
        build(given), host="::1", port=arguments["port"], log_level="warning", timeout_graceful_shutdown=1,
    ))  # fmt: skip
    socket = server.config.bind_socket()
    print(f"http://[::1]:{socket.getsockname()[1]}", flush=True)
    try:
        server.run([socket])
    finally:
        stop.set()


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--port", type=int, default=0)
    options.add_argument("--tags", type=int, default=1240)
    options.add_argument("--mode", choices=("few", "well", "fire"), default="well")
    main(vars(options.parse_args()))
