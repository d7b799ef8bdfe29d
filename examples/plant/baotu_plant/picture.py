"""Draws the plant from its tables: areas, work units, machines, and who speaks for them, as SVG."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from .layout import SITE, Device, Layout, Machine, Place

COLOURS = {"modbus": "#2f6fb0", "opcua": "#2e8b57", "sparkplug": "#c46a1b"}
WORDS = {"modbus": "Modbus TCP / RTU", "opcua": "OPC UA", "sparkplug": "Sparkplug B · MQTT"}
# area: (left edge, machines side by side in its boxes, boxes side by side)
COLUMNS = {
    "melting": (20, 2, 1),
    "casting": (154, 5, 1),
    "machining": (426, 4, 1),
    "utilities": (652, 4, 2),
    "assembly": (1094, 3, 1),
}
CELL, ROW, EDGE = 46, 52, 12  # of a machine; of a row of machines; around a box
SLOT = 96  # of a controller in the legend
TOP, WIDTH, HEIGHT = 92, 1280, 620
INK, FAINT, PAPER = "#22303c", "#6b7a87", "#f6f8fa"

# strokes inside a box of 32 × 26
ICONS = {
    "Pump": '<circle cx="15" cy="13" r="10"/><path d="M15 3h14v7h-5"/><circle cx="15" cy="13" r="2.5"/>',
    "Motor": '<rect x="4" y="5" width="20" height="16" rx="3"/><path d="M24 13h6M9 5v16M14 5v16M19 5v16"/>',
    "Compressor": '<rect x="3" y="9" width="26" height="13" rx="6"/><path d="M9 9V4h10v5M22 9V5"/>',
    "MachiningCentre": '<rect x="3" y="3" width="26" height="20" rx="2"/><path d="M16 3v8M12 11h8l-4 6zM7 20h18"/>',
    "Furnace": '<path d="M7 4v14q0 5 9 5t9-5V4M4 4h6M22 4h6M10 12q3-3 6 0t6 0"/>',
    "Meter": '<circle cx="16" cy="13" r="10"/><path d="M16 13l5-6M9 17h14"/>',
}


def svg(layout: Layout | None = None) -> str:
    """The whole picture; same tables, same text."""
    layout = layout or Layout()
    parts = [*_frame(), *_areas(layout), *_legend(layout)]
    return "\n".join([*parts, "</svg>", ""])


def _frame() -> Iterator[str]:
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        'aria-label="演示工厂 The demo plant" font-family="system-ui, \'Noto Sans CJK SC\', sans-serif">'
    )
    yield f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>'
    yield _text(20, 40, "泉城泵阀 · 济南工厂", 22, INK, "600")
    yield _text(20, 64, "Quancheng Pump & Valve, Jinan works: the demo plant", 14, FAINT)


def _areas(layout: Layout) -> Iterator[str]:
    for place in layout.places:
        if place.level == "area":
            yield from _area(layout, place)


def _area(layout: Layout, area: Place) -> Iterator[str]:
    left, across, boxes = COLUMNS[area.path.removeprefix(f"{SITE}/")]
    width = across * CELL + 2 * EDGE
    chinese, _, english = area.title.partition(" ")
    total = boxes * width + (boxes - 1) * 8
    yield f'<rect x="{left - 6}" y="{TOP}" width="{total + 12}" height="430" rx="8" fill="{PAPER}"/>'
    yield _text(left + 4, TOP + 22, chinese, 15, INK, "600")
    yield _text(left + 4, TOP + 38, english, 11, FAINT)
    heights = [TOP + 50] * boxes
    units = [p for p in layout.places if p.level == "work_unit" and p.path.startswith(area.path)]
    for unit in units:
        column = heights.index(min(heights))
        machines = [m for m in layout.machines if m.unit == unit.path]
        height = 34 + -(-len(machines) // across) * ROW
        x, y = left + column * (width + 8), heights[column]
        yield from _unit(layout, unit, machines, (x, y, width, height, across))
        heights[column] += height + 8


def _unit(
    layout: Layout, unit: Place, machines: list[Machine], box: tuple[int, int, int, int, int]
) -> Iterator[str]:
    x, y, width, height, across = box
    chinese, _, english = unit.title.partition(" ")
    yield (
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="6" fill="white" '
        'stroke="#d5dde4"/>'
    )
    yield _text(x + 8, y + 15, chinese, 11, INK, "600")
    yield _text(x + 8, y + 27, english, 9, FAINT)
    for place, machine in enumerate(machines):
        device = layout.device(machine.device)
        assert device is not None
        at = (x + EDGE + place % across * CELL, y + 34 + place // across * ROW)
        yield _machine(machine, device, at)


def _machine(machine: Machine, device: Device, at: tuple[int, int]) -> str:
    colour = COLOURS[device.protocol]
    chinese, _, english = machine.title.partition(" ")
    return (
        f'<g transform="translate({at[0]} {at[1]})"><title>{escape(machine.id)} · {escape(chinese)} '
        f"{escape(english)} · {escape(device.name)}</title>"
        f'<g fill="none" stroke="{colour}" stroke-width="1.6" stroke-linejoin="round">'
        f"{ICONS[machine.type]}</g>"
        f'<text x="16" y="36" font-size="{8.5 if len(machine.id) < 11 else 6}" text-anchor="middle" fill="{INK}">{machine.id}</text>'
        "</g>"
    )


def _legend(layout: Layout) -> Iterator[str]:
    """The controllers by protocol, and what they all lead to."""
    y, x = TOP + 446, 20
    for protocol, colour in COLOURS.items():
        devices = [d for d in layout.devices if d.protocol == protocol]
        width = 18 + SLOT * len(devices)
        yield f'<rect x="{x}" y="{y}" width="{width}" height="62" rx="6" fill="white" stroke="{colour}"/>'
        yield _text(x + 10, y + 18, f"{WORDS[protocol]} × {len(devices)}", 12, colour, "600")
        for place, device in enumerate(devices):
            chinese = device.title.partition(" ")[0]
            yield _text(x + 10 + place * SLOT, y + 38, device.name, 10, INK)
            yield _text(x + 10 + place * SLOT, y + 52, chinese, 9, FAINT)
        x += width + 12
    yield _text(WIDTH - 20, 40, f"{len(layout.machines)} 台设备 machines", 13, INK, "600", "end")


def _text(
    x: int, y: int, words: str, size: float, colour: str, weight: str = "400", anchor: str = "start"
) -> str:
    return (
        f'<text x="{x}" y="{y}" font-size="{size}" fill="{colour}" font-weight="{weight}" '
        f'text-anchor="{anchor}">{escape(words)}</text>'
    )
