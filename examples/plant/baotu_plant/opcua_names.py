"""How points are called in the plant's OPC UA servers; apart, so that writing the configuration
needs no OPC UA library."""

from __future__ import annotations

from .points import Point


def address(point: Point) -> str:
    """The string part of a point's node id: `furnace-3.temperature`."""
    return f"{point.machine.id}.{point.property.id}"
