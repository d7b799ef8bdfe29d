"""Which places share a read: the fewest reads within what protocol, settings and unit allow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from .address import Address, Table
from .block import Block
from .learn import Cut, Limits, Part
from .settings import Settings

BITS_A_REGISTER = 16


class Planner:
    """Packs places for one connection; keeps what its units refused."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._limits: dict[tuple[int, int], Limits] = {}

    def limits(self, unit: int, table: Table) -> Limits:
        most = self._settings.max_bits if table.bits else self._settings.max_registers
        return self._limits.setdefault((unit, table.read), Limits(most))

    def pack(self, places: Iterable[Address]) -> list[list[Address]]:
        """In each list the places of one read, in order of place.

        From the lowest place on, each read takes all that it can: no packing has fewer reads,
        because a read that starts later or ends earlier reaches no further.
        """
        packed: list[list[Address]] = []
        for _, same in groupby(sorted(places, key=_place), key=_table):
            packed += self._pack(list(same))
        return packed

    def _pack(self, places: list[Address]) -> list[list[Address]]:
        first = places[0]
        limits = self.limits(first.unit, first.table)
        widest = self._settings.max_gap * (BITS_A_REGISTER if first.table.bits else 1)
        packed: list[list[Address]] = [[places[0]]]
        start, end = first.start, first.end
        closed = (first.start, first.end) in limits.alone
        for place in places[1:]:
            alone = (place.start, place.end) in limits.alone
            if (
                closed
                or alone
                or max(end, place.end) - start > limits.most
                or place.start - end > widest
                or (limits.holes and place.start >= end and limits.apart(end, place.start))
            ) and not (alone and (start, end) == (place.start, place.end)):
                packed.append([])
                start, end = place.start, place.end
            packed[-1].append(place)
            end, closed = max(end, place.end), alone
        return packed

    def cut(self, block: Block, size_told: bool) -> list[tuple[list[Address], Part | None]]:
        """Smaller reads in place of a refused one, each with its part in the cut; [] when it
        cannot be smaller. size_told: the unit said that it was too much, not where."""
        places, limits = list(block.places), self.limits(block.unit, block.table)
        if limits.most < block.count and len(packed := self._pack(places)) > 1:
            return [(part, None) for part in packed]
        at = _middle(places)
        if not at:
            limits.alone.update((p.start, p.end) for p in places)
            return []
        left, right = places[:at], places[at:]
        end = max(p.end for p in left)
        cut = Cut(limits, end, right[0].start, size_told, block.part)
        return [(left, Part(cut, 0)), (right, Part(cut, 1))]


def _table(place: Address) -> tuple[int, int]:
    return place.unit, place.table.read


def _place(place: Address) -> tuple[int, int, int, int, int, int]:
    form = place.form
    return place.unit, place.table.read, place.start, form.width, form.bit, place.tag


def _middle(places: Sequence[Address]) -> int:
    """Where to cut: in the middle half at the widest gap, nearest the middle; 0: nowhere.

    Places that overlap are not cut from each other, since they would be refused together.
    """
    found, end = [], places[0].end
    for at, place in enumerate(places):
        if at and place.start >= end:
            found.append((at, place.start - end))
        end = max(end, place.end)
    if not found:
        return 0
    quarter, half = len(places) / 4, len(places) / 2
    inner = [f for f in found if quarter <= f[0] <= 3 * quarter]
    if not inner:
        return min(found, key=lambda f: abs(f[0] - half))[0]
    return min(inner, key=lambda f: (-f[1], abs(f[0] - half)))[0]
