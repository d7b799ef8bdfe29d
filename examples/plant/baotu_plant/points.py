"""Every measuring point of the plant in one flat numbering, and the columns they live in.

Points of one type lie together as a block of shape (properties, machines), so physics works on a
row (one property of all machines) and controllers on any selection of the flat columns.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .catalogue import TYPES, WORDS, Property
from .layout import FAST, FAST_S, SLOW_S, Device, Layout, Machine


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One measuring point; `index` is its place in every flat column."""

    index: int
    machine: Machine
    property: Property
    period_s: float

    @property
    def name(self) -> str:
        return f"{self.machine.path}/{self.property.id}"

    @property
    def words(self) -> tuple[str, ...]:
        """Of a text point: what its number stands for."""
        return WORDS[self.property.words] if self.property.words else ()


class Points:
    """The numbering. Same layout, same numbers."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.all: list[Point] = []
        self.shapes: dict[str, tuple[int, int, int]] = {}  # type → (first, properties, machines)
        for type in TYPES.values():
            machines = layout.of_type(type.id)
            self.shapes[type.id] = (len(self.all), len(type.properties), len(machines))
            self.all += _points(len(self.all), type.properties, machines)
        self._by_place = {(p.machine.id, p.property.id): p for p in self.all}

    def __len__(self) -> int:
        return len(self.all)

    def __iter__(self) -> Iterator[Point]:
        return iter(self.all)

    def find(self, machine: str, property: str) -> Point | None:
        return self._by_place.get((machine, property))

    def of_device(self, device: Device) -> list[Point]:
        """In order of machine, then property: as a programmer would lay them out."""
        mine = [p for p in self.all if p.machine.device == device.name]
        order = {machine.id: i for i, machine in enumerate(self.layout.machines)}
        return sorted(mine, key=lambda p: (order[p.machine.id], p.index))

    def column(self, name: str) -> np.ndarray:
        """float64: `noise` or `digits` of every point's property."""
        return np.array([float(getattr(p.property, name)) for p in self.all])


class Block:
    """A type's part of a flat column: `block["flow"]` is the row of all its machines."""

    def __init__(self, points: Points, type: str, values: np.ndarray) -> None:
        first, properties, machines = points.shapes[type]
        rows = values[first : first + properties * machines].reshape(properties, machines)
        self.size = machines
        self._rows = {p.id: rows[i] for i, p in enumerate(TYPES[type].properties)}

    def __getitem__(self, property: str) -> np.ndarray:
        return self._rows[property]

    def __setitem__(self, property: str, value: np.ndarray | float) -> None:
        self._rows[property][:] = value


def _points(first: int, properties: tuple[Property, ...], machines: list[Machine]) -> list[Point]:
    return [
        Point(
            index=first + row * len(machines) + column,
            machine=machine,
            property=property,
            period_s=FAST_S
            if property.id in FAST.get((machine.device, machine.type), ())
            else SLOW_S,
        )
        for row, property in enumerate(properties)
        for column, machine in enumerate(machines)
    ]
