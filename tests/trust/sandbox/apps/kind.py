"""An app with every verb that needs no table, in the same words for both places it is run in."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated as A

import numpy as np

from baotu.sdk import (
    Alarm,
    App,
    Call,
    Conflict,
    Denied,
    Event,
    Evidence,
    Facts,
    Hysteresis,
    Invalid,
    Job,
    Samples,
    Window,
    Write,
    command,
    derived,
    every,
    page,
    parameter,
    per_tag,
    query,
    result,
    stream,
    view,
)


@dataclass(frozen=True)
class Problem:
    numbers: list[int]


@dataclass(frozen=True)
class Solution:
    total: int
    seed: int


def add(problem: Problem, stop, seed: int) -> Solution:
    stop(0.5)
    return Solution(sum(problem.numbers), seed)


def slowly(problem: Problem, stop, seed: int) -> Solution:
    while not stop(0.1):
        pass
    return Solution(-1, seed)


@dataclass(frozen=True)
class Line:
    name: str
    amount: Decimal
    at: datetime | None


class Kind(App):
    """Does a little of everything. 各样都做一点。"""

    title = "样样 Everything"
    serves = ("2.7",)
    permissions = ("tags.write",)
    limit = parameter(50.0, unit="m3/h", title="限值 Limit")
    mean = derived(asset="Pump", property="mean", unit="m3/h", title="均值 Mean")

    def start(self) -> None:
        self.level = per_tag(Hysteresis, high=self.limit, low=self.limit - 5)

    @stream(asset="Pump", property="flow")
    def hear(self, samples: Samples) -> Iterator[Alarm]:
        for edge in self.level.edges(samples.good()):
            yield Alarm(
                edge.tag,
                edge.time,
                edge.high,
                f"流量 {edge.value:.1f} Flow {edge.value:.1f}",
                "flow",
            )

    @stream(asset="Pump", property="mode")
    def read(self, samples: Samples, call: Call) -> Iterator[Event]:
        for text in samples.value.tolist() if samples.is_text else ():
            yield Event("kind.mode", {"text": text, "who": call.caller.name, "late": call.late})

    @every("1 min", asset="Pump", inputs=("flow",))
    def average(self, window: Window) -> Iterator[Samples | Evidence]:
        good = window["flow"].good().value
        if len(good):
            yield Samples.of(window.out["mean"], window.end, [float(good.mean())])
            yield Evidence(
                "2.7", "均值已算 A mean was computed", {"pump": window.asset, "n": len(good)}
            )

    @command(permission="kind.ask", title="请求 Ask")
    def ask(
        self,
        call: Call,
        words: A[str, "词 Words"],
        count: A[int, "数 Count"] = 2,
        money: A[Decimal, "钱 Money"] = Decimal("1.10"),
    ) -> Facts[str]:
        """Say it again."""
        match words:
            case "invalid":
                raise Invalid("words", "不好 is not good")
            case "conflict":
                raise Conflict("words", "太迟 is too late")
            case "denied":
                raise Denied("不许 is not allowed")
            case "bug":
                raise KeyError("words")
        yield Event("kind.asked", {"words": words, "count": count, "share": np.float64(0.5)})
        return f"{words * count} {money + 1} {call.caller.name} {call.now:%H:%M}"

    @command(permission="kind.ask", title="写 Write")
    def set(self, tag: A[int, "位号 Tag"], value: A[float, "值 Value"]) -> Facts[None]:
        """Ask for a write."""
        yield Write(tag, value, "someone asked", evidence=(tag,))

    @command(permission="kind.ask", title="算 Work out")
    def work(self, numbers: A[str, "数 Numbers"] = "1,2,3") -> Facts[int]:
        """Begin a long computation."""
        problem = Problem([int(n) for n in numbers.split(",")])
        yield Job(slowly if problem.numbers == [0] else add, problem, seed=7)
        return len(problem.numbers)

    @result(of=add)
    def worked(self, result: Solution) -> Iterator[Event]:
        yield Event("kind.worked", {"total": result.total, "seed": result.seed})

    @result(of=slowly)
    def stopped(self, result: Solution) -> Iterator[Event]:
        yield Event("kind.stopped", {"seed": result.seed})

    @query(title="列 List")
    def lines(self, limit: A[int, "条数 Limit"] = 2) -> list[Line]:
        """Some lines."""
        rows = [
            Line("一 one", Decimal("1.50"), datetime.fromisoformat("2026-06-01T08:00:00+08:00")),
            Line("二 two", Decimal(2), None),
        ]
        return rows[:limit]

    @page(title="页 Page")
    def shown(self) -> view.View:
        at = datetime.fromisoformat("2026-06-01T08:00:00+08:00")
        table = view.Table(
            ("名 Name", "钱 Money", "时 At"),
            (("一 one", Decimal("1.50"), at), ("二 two", None, None)),
            title="表 Table",
            links=("/a", "/b"),
            actions=(view.Action("ask", (("words", 0),)),),
        )
        series = view.Series("流量 Flow", (at, at), (1.0, 2.5))
        tiles = view.Tiles((view.Tile("数 Figure", 3, "m", 0.0, 5.0),), "块 Tiles")
        boxes = view.Scene((view.Box("箱 box", (0.0, 1.0, 2.0), (1.0, 1.0, 1.0)),))
        bars = view.Gantt((view.Bar("一 one", at, at, "x"),))
        return view.column(
            table,
            view.row(view.Chart((series,), "m3/h"), tiles, boxes),
            bars,
            view.Form("ask", (("count", 3),)),
            view.Markdown("好 Good"),
            view.Gauge(0.5),
            view.Trend(("a/b",)),
            view.Graph(("a", "b"), (("a", "b"),)),
            view.Map((view.Place("厂 Plant", 117.0, 36.6),)),
        )
