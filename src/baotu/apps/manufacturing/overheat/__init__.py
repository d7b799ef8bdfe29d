"""Motor overheat alarm: the smallest useful app."""

from collections.abc import Iterator

from baotu.sdk import Alarm, App, Hysteresis, Priority, Samples, parameter, per_tag, stream


class Overheat(App):
    """Raise one alarm while a motor is hotter than its limit. 电机超温报警。"""

    title = "电机超温 Motor overheat"
    serves = ("2.7",)
    limit = parameter(95.0, unit="Cel", title="温度上限 Limit")
    margin = parameter(5.0, unit="K", title="回差 Margin")

    def start(self) -> None:
        self.level = per_tag(Hysteresis, high=self.limit, low=self.limit - self.margin)

    @stream(asset="Motor", property="temperature")
    def on_temperature(self, samples: Samples) -> Iterator[Alarm]:
        for edge in self.level.edges(samples.good()):
            text = f"电机温度 {edge.value:.1f} °C，上限 {self.limit:.1f} °C Motor at {edge.value:.1f} °C, limit {self.limit:.1f} °C"
            yield Alarm(edge.tag, edge.time, edge.high, text, "overheat", Priority.HIGH)
