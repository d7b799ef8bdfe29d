"""Pump efficiency: a figure from every window, a target from people, an alarm between them."""

from collections.abc import Iterator
from typing import Annotated as A

from sqlalchemy import select
from sqlalchemy.orm import Mapped, mapped_column

from baotu.sdk import (
    Alarm,
    App,
    Event,
    Evidence,
    Facts,
    Invalid,
    Priority,
    Records,
    Samples,
    Table,
    Window,
    command,
    derived,
    every,
    page,
    parameter,
    query,
    stream,
    view,
)

from .engine import rate

INPUTS = ("flow", "suction_pressure", "discharge_pressure", "power")


class PumpFigure(Table):
    """The newest figures of a pump, and the efficiency it should reach."""

    pump: Mapped[str] = mapped_column(index=True)
    tag: Mapped[int] = mapped_column(default=0)
    efficiency: Mapped[float | None] = mapped_column(default=None)
    specific_energy: Mapped[float | None] = mapped_column(default=None)
    target: Mapped[float] = mapped_column(default=0.0)
    below: Mapped[bool] = mapped_column(default=False)


NONE = (
    "还没有算出效率：需要一个类型为 Pump 的资产，有流量、吸入与排出压力、功率四个位号，满一分钟后出现。 No efficiency yet: it takes an asset of type"
    " Pump with tags of flow, suction and discharge pressure and power, and a minute of their samples."
)


class Pumping(App):
    """Efficiency and specific energy of every pump, against a target. 泵效率与单位能耗。"""

    title = "泵能效 Pump efficiency"
    serves = ("2.7",)
    tables = (PumpFigure,)
    efficiency = derived(asset="Pump", property="efficiency", unit="%", title="泵效率 Efficiency")
    specific_energy = derived(
        asset="Pump", property="specific_energy", unit="kW.h/m3", title="单位能耗 Specific energy"
    )
    margin = parameter(2.0, unit="%", title="回差 Margin")

    @every("1 min", asset="Pump", inputs=INPUTS)
    def measure(self, window: Window, records: Records) -> Iterator[Samples | Evidence]:
        """Figures of one minute, from its good samples alone."""
        good = [window[name].good().value for name in INPUTS]
        figures = rate(*(float(v.mean()) for v in good)) if all(map(len, good)) else None
        if figures is None:
            return
        if not window.again:  # the table shows the newest window
            row = figure_of(records, window.asset)
            row.tag = window.out["efficiency"]
            row.efficiency, row.specific_energy = figures.efficiency, figures.specific_energy
        yield Samples.of(window.out["efficiency"], window.end, [figures.efficiency])
        yield Samples.of(window.out["specific_energy"], window.end, [figures.specific_energy])
        claim = "由实时数据计算泵效率 Pump efficiency computed from live data"
        proof: dict[str, str | float] = {
            "pump": window.asset,
            "efficiency_percent": figures.efficiency,
        }
        yield Evidence("2.7", claim, proof, page="/app/pumping/overview")

    @stream(asset="Pump", property="efficiency")
    def compare(self, samples: Samples, records: Records) -> Iterator[Alarm]:
        """One alarm while a pump with a target stays below it."""
        for tag, one in samples.good().by_tag():
            row = records.scalar(select(PumpFigure).where(PumpFigure.tag == tag))
            for time, value in zip(one.time, one.value, strict=True):
                if row is None or row.target == 0.0:
                    continue
                limit = row.target + (self.margin if row.below else 0.0)
                if (below := bool(value < limit)) != row.below:
                    row.below = below
                    said = f"泵效率 {value:.1f} %，目标 {row.target:.1f} % Efficiency {value:.1f} %, target {row.target:.1f} %"
                    yield Alarm(tag, int(time), below, said, "inefficient", Priority.LOW)

    @command(permission="pumping.target", title="设定目标效率 Set a target")
    def set_target(
        self,
        records: Records,
        pump: A[str, "泵 Pump"],
        percent: A[float, "目标效率 Target efficiency"],
    ) -> Facts[float]:
        """The efficiency below which a pump is worth a look; 0 takes the target away."""
        if not 0 <= percent <= 100:
            raise Invalid("percent", "must lie between 0 and 100")
        figure_of(records, pump).target = percent
        yield Event("pumping.target", {"pump": pump, "percent": percent})
        return percent

    @query(title="泵能效 Pump figures")
    def figures(self, records: Records) -> list[PumpFigure]:
        """Every pump measured so far, the least efficient first."""
        return list(records.scalars(select(PumpFigure).order_by(PumpFigure.efficiency)))

    @page(title="泵能效 Pump efficiency")
    def overview(self, records: Records) -> view.View:
        found = self.figures(records)
        rows = tuple((f.pump, f.efficiency, f.specific_energy, f.target or None) for f in found)
        links = tuple(f"/asset/{f.pump}" for f in found)
        columns = (
            "泵 Pump",
            "效率，% Efficiency, %",
            "单耗，kW·h/m³ Specific energy, kW·h/m³",
            "目标，% Target, %",
        )
        table = view.Table(columns, rows, title="泵能效 Pump efficiency", links=links)
        return view.column(table if found else view.Markdown(NONE), view.Form("set_target"))


def figure_of(records: Records, pump: str) -> PumpFigure:
    found = records.scalar(select(PumpFigure).where(PumpFigure.pump == pump))
    return found or records.put(PumpFigure(pump=pump))
