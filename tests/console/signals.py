"""A plant that exists only as formulas: any number of tags, any moment, no storage."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from baotu.sdk import Asset, AssetType, Invalid, Property, Quality, Samples, Tag
from baotu.sdk.ports import Buckets, TagPage

SECOND = 1_000_000_000
AREAS = {
    "foundry": "铸造车间 Foundry",
    "machining": "机加工车间 Machining shop",
    "heat": "热处理车间 Heat treatment",
    "utilities": "动力站 Utilities",
}


def _type(name: str, title: str, *rows: tuple) -> AssetType:
    return AssetType(
        id_short=name, title=title,
        properties=tuple(Property(id_short=r[0], title=r[1], unit=r[2], low=r[3], high=r[4],
                                  kind=r[5] if len(r) > 5 else "number") for r in rows),
    )  # fmt: skip


TYPES = {t.id_short: t for t in (
    _type("Pump", "泵 Pump", ("flow", "流量 Flow", "m3/h", 40, 80), ("head", "扬程 Head", "m", 20, 36),
          ("suction_pressure", "入口压力 Suction pressure", "kPa", 60, 140),
          ("bearing_temperature", "轴承温度 Bearing temperature", "Cel", 20, 75),
          ("vibration", "振动 Vibration", "mm/s", 0, 4.5), ("running", "运行 Running", "", None, None, "boolean")),
    _type("Motor", "电机 Motor", ("temperature", "温度 Temperature", "Cel", 20, 80), ("current", "电流 Current", "A", 5, 42),
          ("speed", "转速 Speed", "/min", 900, 1500), ("power", "功率 Power", "kW", 2, 22)),
    _type("Compressor", "空压机 Compressor", ("discharge_pressure", "排气压力 Discharge pressure", "bar", 6.2, 8.1),
          ("oil_temperature", "油温 Oil temperature", "Cel", 55, 95), ("power", "功率 Power", "kW", 30, 90)),
    _type("MachiningCentre", "加工中心 Machining centre", ("spindle_load", "主轴负载 Spindle load", "%", 0, 85),
          ("spindle_speed", "主轴转速 Spindle speed", "/min", 0, 12000), ("parts", "件数 Parts", "1", None, None),
          ("state", "状态 State", "", None, None, "text")),
    _type("Furnace", "熔炼炉 Furnace", ("temperature", "炉温 Temperature", "Cel", 1380, 1480),
          ("power", "功率 Power", "kW", 120, 480), ("cooling_flow", "冷却水流量 Cooling flow", "m3/h", 8, 16)),
    _type("Meter", "电表 Meter", ("voltage", "电压 Voltage", "V", 380, 420), ("active_power", "有功功率 Active power", "kW", 10, 600),
          ("energy", "电能 Energy", "kW.h", None, None)),
)}  # fmt: skip
KINDS = {
    "foundry": ("Furnace", "Pump", "Motor"), "machining": ("MachiningCentre", "Motor"),
    "heat": ("Furnace", "Meter"), "utilities": ("Compressor", "Pump", "Meter"),
}  # fmt: skip
STATES = np.array(["运行", "待机", "换型", "故障"], object)


class FakePlant:
    """Implements `Plant`: about `size` tags in four areas."""

    def __init__(self, size: int) -> None:
        self._assets = {"jinan": Asset(path="jinan", title="济南一厂 Jinan plant 1", level="site")}
        self._tags: list[Tag] = []
        for area, title in AREAS.items():
            self._put(f"jinan/{area}", title, "area")
        number = 0
        while len(self._tags) < size:
            number += 1
            for area, kinds in KINDS.items():
                line = f"jinan/{area}/line-{(number - 1) // 8 + 1}"
                if line not in self._assets:
                    self._put(
                        line,
                        f"{(number - 1) // 8 + 1} 线 Line {(number - 1) // 8 + 1}",
                        "work_center",
                    )
                for kind in kinds:
                    self._machine(f"{line}/{_slug(kind)}-{number}", kind, number)
        self._tags = self._tags[:size]
        self._by_name = {t.name: t for t in self._tags}
        self._hay = [f"{t.name} {t.title} {t.device}".lower() for t in self._tags]

    def _put(self, path: str, title: str, level: str, type: str = "") -> None:
        self._assets[path] = Asset(
            path=path, title=title, level=level, type=type, organisation="spring"
        )

    def _machine(self, path: str, kind: str, number: int) -> None:
        zh, en = TYPES[kind].title.split(" ", 1)
        self._put(path, f"{number} 号{zh} {en} {number}", "asset", kind)
        for p in TYPES[kind].properties:
            self._tags.append(Tag(
                id=len(self._tags), asset=path, property=p.id_short, kind=p.kind, unit=p.unit, low=p.low, high=p.high,
                title=p.title, device=f"plc-{len(self._assets) % 6 + 1}", address=f"{40001 + len(self._tags) % 9000}",
                asset_type=kind, writable=p.id_short == "speed",
            ))  # fmt: skip

    def tags(self, search="", limit=100, cursor="", under=""):
        order = sorted(
            (t for t, hay in zip(self._tags, self._hay, strict=True)
             if all(w in hay for w in search.lower().split())
             and (not under or t.asset == under or t.asset.startswith(f"{under}/"))),
            key=lambda t: t.name,
        )  # fmt: skip
        at = int(cursor) if cursor.isascii() and cursor.isdigit() and len(cursor) < 10 else 0
        more = str(at + limit) if at + limit < len(order) else ""
        return TagPage(tags=tuple(order[at : at + limit]), total=len(order), cursor=more)

    def tag(self, name):
        found = self._by_name.get(name) or (
            self.by_id(int(name)) if name.isascii() and name.isdigit() and len(name) < 10 else None
        )
        if found is None:
            raise Invalid("tag", f"there is no {name!r}; the nearest is {self._tags[0].name!r}")
        return found

    def by_id(self, id):
        return self._tags[id] if 0 <= id < len(self._tags) else None

    def all_tags(self):
        return self._tags

    def ids(self, asset_type, property):
        return np.array(
            [t.id for t in self._tags if (t.asset_type, t.property) == (asset_type, property)], "i4"
        )

    def assets(self, under=""):
        found = sorted(self._assets.items())
        return [a for p, a in found if not under or p == under or p.startswith(f"{under}/")]

    def asset(self, path):
        return self._assets.get(path)

    def types(self) -> Mapping[str, AssetType]:
        return TYPES

    def version(self):
        return 1


class FakeHistory:
    """Implements the reading half of `History` from formulas, over the last `days`."""

    def __init__(self, plant: FakePlant, now, days: float = 30.0) -> None:
        self.plant, self.now, self.born = plant, now, now() - round(days * 86400 * SECOND)
        tags = plant.all_tags()
        low = np.array([0.0 if t.low is None else t.low for t in tags])
        high = np.array([1.0 if t.high is None else t.high for t in tags])
        self.middle, self.half = (low + high) / 2, (high - low) / 2
        self.texts = np.array([t.kind == "text" for t in tags], bool)
        self.booleans = np.array([t.kind == "boolean" for t in tags], bool)
        self.counters = np.array([t.property in ("energy", "parts") for t in tags], bool)
        self.faulty: dict[int, tuple[int, float]] = {}  # tag → since, how far beyond the middle
        self.bad: dict[int, tuple[int, Quality]] = {}  # tag → since, how bad

    def value(self, ids: np.ndarray, times: np.ndarray) -> np.ndarray:
        seconds = (times // 1_000_000).astype("f8") / 1000
        period = 300 + (ids * 7919 % 3301)
        shape = np.sin(2 * np.pi * seconds / period + ids) * 0.35
        shape = shape + 0.25 * np.sin(2 * np.pi * seconds / 86400 + ids % 7)
        grain = (np.sin(seconds * 12.9898 + ids * 78.233) * 43758.5453) % 1
        value = self.middle[ids] + self.half[ids] * (shape + 0.12 * (grain - 0.5))
        for id in set(np.unique(ids).tolist()) & self.faulty.keys():
            since, size = self.faulty[id]
            grown = np.clip((times - since) / (60 * SECOND), 0, 1)
            value = np.where(ids == id, value + size * self.half[id] * grown, value)
        value = np.where(self.booleans[ids], np.sin(seconds / 900 + ids) > -0.6, value)
        value = np.where(self.counters[ids], np.floor((seconds - 1.7e9) / 37), value)
        return np.round(value, 2)

    def samples(self, ids: np.ndarray, times: np.ndarray) -> list[Samples]:
        quality = np.zeros(len(ids), "u1")
        for id in set(np.unique(ids).tolist()) & self.bad.keys():
            since, how = self.bad[id]
            quality[(ids == id) & (times >= since)] = how
        text = self.texts[ids]
        value = self.value(ids, times)
        words = STATES[((times[text] // (600 * SECOND) + ids[text] * 3) % 7 % 4).astype(int)]
        cut = Samples(ids[~text].astype("i4"), times[~text], value[~text], quality[~text])
        return [cut, Samples(ids[text].astype("i4"), times[text], words, quality[text])]

    def latest(self, tags):
        now = self.now() // SECOND * SECOND
        return self.samples(np.asarray(tags), np.full(len(tags), now)) if now >= self.born else []

    def read(self, tag, start, end, limit=None):
        return self._one(tag, start, end, SECOND, limit)

    def window(self, tag, start, end, points):
        start, end = max(start, self.born), min(end, self.now() + 1)
        step = max(SECOND, (end - start) // 50_000 // SECOND * SECOND)
        all = self._one(tag, start, end, step, None)
        if len(all) <= points or all.is_text:
            return all.where(slice(0, points))
        buckets = max(points // 2, 1)
        edge = np.linspace(0, len(all), buckets + 1).astype(int)[:-1]
        keep = [
            np.lexsort((all.value[a:b],))[[0, -1]] + a
            for a, b in zip(edge, [*edge[1:], len(all)], strict=True)
        ]
        return all.where(np.unique(np.concatenate(keep)))

    def _one(self, tag, start, end, step, limit):
        start, end = max(start, self.born), min(end, self.now() + 1)
        first = math.ceil(start / step) * step
        times = np.arange(first, max(end, first), step, dtype="i8")[:limit]
        ids = np.full(len(times), tag)
        return self.samples(ids, times)[int(self.texts[tag])]

    def aggregate(self, tag, start, end, bucket_ns):
        step = max(
            SECOND, (min(end, self.now()) - max(start, self.born)) // 50_000 // SECOND * SECOND
        )
        all = self._one(tag, start, end, step, None)
        place = (all.time - start) // bucket_ns
        cuts = np.flatnonzero(np.diff(place)) + 1
        parts = [p for p in np.split(np.arange(len(all)), cuts) if len(p)]
        value = all.value.astype("f8") if not all.is_text else np.zeros(len(all))

        def over(f):
            return np.array([f(value[p]) for p in parts], "f8")

        return Buckets(
            duration_ns=bucket_ns, start=start + np.array([place[p[0]] for p in parts], "i8") * bucket_ns,
            count=np.array([len(p) for p in parts], "i8"), low=over(np.min), high=over(np.max), mean=over(np.mean),
            first=over(lambda v: v[0]), last=over(lambda v: v[-1]), total=over(np.sum),
        )  # fmt: skip

    def export(self, path, tags, start, end, format):
        rows = [self.read(t, start, end, 100_000) for t in tags]
        lines = [f"{self.plant.by_id(t).name},{a},{v}" for t, r in zip(tags, rows, strict=True)
                 for a, v in zip(r.time, r.value, strict=True)]  # fmt: skip
        path.write_text("\n".join(["tag,time,value", *lines]))
        return len(lines)

    def figures(self):
        held = (self.now() - self.born) / SECOND * len(self.texts)
        return {"samples": held, "bytes": held * 1.1, "segments": 12.0, "commit_p99_s": 0.021}


def _slug(kind: str) -> str:
    return {"MachiningCentre": "centre"}.get(kind, kind.lower())
