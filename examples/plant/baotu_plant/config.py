"""Writes the configuration by which the platform reads this plant: `plant.toml` and tag files.

It comes from the same tables as the controllers themselves, so a tag cannot be wrong about them.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from . import edge_nodes, opcua_names, registers
from .layout import FAST_S, SITE, Device, Layout
from .points import Point, Points

COLUMNS = (
    "asset", "type", "property", "address", "kind", "unit", "raw_unit", "scale", "offset", "low",
    "high", "clamp_low", "clamp_high", "deadband", "max_silence_s", "period_s", "expression",
    "writable", "title",
)  # fmt: skip
NAMESPACE = 2  # of the machines in the plant's OPC UA servers: 0 the standard's, 1 the server's
GATEWAYS = "gateways"  # the one connection to the broker, for all edge nodes
WATER = f"{SITE}/utilities/water"
DERIVED = (
    ("water-1", f"{WATER}/station-1", "total_flow", "总流量 Total flow", "m3/h", (1, 2, 3)),
    ("water-2", f"{WATER}/station-2", "total_flow", "总流量 Total flow", "m3/h", (4, 5, 6)),
)
KEY_VALUES = (
    "utilities/power/switchroom/meter-1/active_power",
    "utilities/water/station-1/pump-1/flow",
    "utilities/air/station/compressor-1/pressure",
    "melting/line/bay-1/furnace-1/temperature",
    "machining/line-a/cell-1/centre-1/part_count",
    "casting/moulding/pouring/furnace-3/temperature",
)
OVERHEAT = 80.0  # °C, above what a healthy motor of the plant reaches


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Where the controllers listen. devices: name → port, of Modbus and OPC UA ones."""

    devices: Mapping[str, int]
    mqtt: int
    control: str = ""

    def told(self) -> dict[str, int | str]:
        return {**self.devices, "mqtt": self.mqtt, "control": self.control}


def default_ports(base: int, layout: Layout | None = None) -> Ports:
    """One after the other from `base`: Modbus and OPC UA devices, broker, control."""
    names = [d.name for d in (layout or Layout()).devices if d.protocol != "sparkplug"]
    return Ports(
        devices={name: base + i for i, name in enumerate(names)},
        mqtt=base + len(names),
        control=f"[::1]:{base + len(names) + 1}",
    )


def write(
    folder: Path,
    ports: Ports,
    host: str = "::1",
    data: str = "data",
    layout: Layout | None = None,
) -> Path:
    """Write `plant.toml` and `tags/*.csv` into a folder; the path of the former."""
    for name, text in files(ports, host, data, layout).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="")
    return folder / "plant.toml"


def files(
    ports: Ports, host: str = "::1", data: str = "data", layout: Layout | None = None
) -> dict[str, str]:
    """All files of the configuration by relative path."""
    points = Points(layout or Layout())
    made = {"plant.toml": _toml(points.layout, ports, host, data)}
    gateways: list[list[str]] = []
    for device in points.layout.devices:
        rows = list(_rows(device, points))
        if device.protocol == "sparkplug":
            gateways += rows
        else:
            made[f"tags/{device.name}.csv"] = _csv(rows)
    made[f"tags/{GATEWAYS}.csv"] = _csv(gateways)
    return made


def _csv(rows: list[list[str]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([COLUMNS, *rows])
    return out.getvalue()


def _rows(device: Device, points: Points) -> Iterator[list[str]]:
    mine = points.of_device(device)
    if device.protocol == "modbus":
        laid = {place.point.index: place for place in registers.places(device, mine)}
        for point in mine:
            place = laid[point.index]
            yield _row(point, place.address(device.unit), place.scale, place.raw_unit)
    elif device.protocol == "opcua":
        for point in mine:
            yield _row(point, f"ns={NAMESPACE};s={opcua_names.address(point)}")
    else:
        for point in mine:
            yield _row(point, edge_nodes.address(device, point))
    for owner, asset, property, title, unit, pumps in DERIVED:
        if owner == device.name:
            terms = (f'tag("{asset}/pump-{n}/flow")' for n in pumps)
            cells = {
                "asset": asset, "property": property, "unit": unit, "title": title,
                "expression": " + ".join(terms),
            }  # fmt: skip
            yield [cells.get(column, "") for column in COLUMNS]


def _row(point: Point, address: str, scale: float = 1.0, raw_unit: str = "") -> list[str]:
    prop = point.property
    percent = prop.unit == "%" and prop.high is not None and prop.high <= 100
    cells = {
        "asset": point.machine.path,
        "type": point.machine.type,
        "property": prop.id,
        "address": address,
        "kind": "" if prop.kind == "number" else prop.kind,
        "unit": prop.unit,
        "raw_unit": raw_unit,
        "scale": "" if scale == 1.0 else f"{scale:g}",
        "low": _number(prop.low),
        "high": _number(prop.high),
        "clamp_low": "0" if percent else "",
        "period_s": f"{point.period_s:g}" if point.period_s == FAST_S else "",
        "writable": "true" if prop.writable else "",
        "title": prop.title,
    }
    return [cells.get(column, "") for column in COLUMNS]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def _toml(layout: Layout, ports: Ports, host: str, data: str) -> str:
    lines = [
        "# 演示工厂：由 baotu_plant.config 生成，与控制器出自同一张表。",
        "# The demo plant: made by baotu_plant.config from the very tables its controllers use.",
        "",
        "[node]",
        'name = "demo"',
        'organisation = "quancheng"',
        'title = "泉城泵阀 Quancheng Pump & Valve"',
        f"data = {_text(data)}",
        "",
        "[console]",
        "key_values = [",
        *(f"  {_text(f'{SITE}/{name}')}," for name in KEY_VALUES),
        "]",
        "",
        "[app.overheat]",
        f"limit = {OVERHEAT}",
    ]
    for place in layout.places:
        lines += _asset(place.path, place.title, place.level)
    for machine in layout.machines:
        lines += _asset(machine.path, machine.title, "asset", machine.type)
    for device in layout.devices:
        if device.protocol != "sparkplug":
            lines += ["", f"# {device.title}", *_device(device, ports.devices[device.name], host)]
    nodes = ", ".join(d.name for d in layout.devices if d.protocol == "sparkplug")
    lines += [
        "",
        f"# 边缘节点 Edge nodes: {nodes}",
        "[[device]]",
        f"name = {_text(GATEWAYS)}",
        'driver = "sparkplug"',
        f"host = {_text(host)}",
        f"port = {ports.mqtt}",
        f"groups = [{_text(edge_nodes.GROUP)}]",
        'host_id = "baotu"',
        f'tags = "tags/{GATEWAYS}.csv"',
    ]
    return "\n".join(lines) + "\n"


def _asset(path: str, title: str, level: str, type: str = "") -> list[str]:
    rows = ["", "[[asset]]", f"path = {_text(path)}"]
    rows += [f"type = {_text(type)}"] if type else []
    return [*rows, f"title = {_text(title)}", f"level = {_text(level)}"]


def _device(device: Device, port: int, host: str) -> list[str]:
    rows = ["[[device]]", f"name = {_text(device.name)}", f"driver = {_text(device.protocol)}"]
    if device.protocol == "opcua":
        rows.append(f'endpoint = "opc.tcp://[{host}]:{port}"')
    else:
        rows += [f"host = {_text(host)}", f"port = {port}"]
        if device.framing == "rtu":
            rows += ['framing = "rtu"', f"unit = {device.unit}"]
        elif device.connections > 1:
            rows.append("pipeline = 4")
        if device.order != "ABCD":
            rows.append(f"order = {_text(device.order)}")
    return [*rows, f'tags = "tags/{device.name}.csv"']


def _text(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
