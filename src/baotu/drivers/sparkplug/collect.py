"""Gathers the metrics of many messages and gives them to the line as one `Samples`."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping

import numpy as np

from baotu.sdk import Line, Quality, Samples

from . import codec
from .births import quality_of
from .datatypes import numbers
from .nodes import Unit
from .runs import Run

MS = 1_000_000


class _Texts:
    def __init__(self) -> None:
        self.tag: list[int] = []
        self.time: list[int] = []
        self.value: list[str] = []
        self.quality: list[int] = []


class _Numbers(_Texts):
    """As sent: `bits` and `kind` become values when the batch is complete."""

    def __init__(self) -> None:
        super().__init__()
        self.bits: list[int] = []
        self.kind: list[int] = []

    def samples(self) -> Samples:
        value = numbers(np.array(self.bits, "u8"), np.array(self.kind, "u1"))
        quality = np.array(self.quality, "u1")
        value = np.where(quality == Quality.BAD_NO_DATA, np.nan, value)
        return Samples(np.array(self.tag, "i4"), np.array(self.time, "i8") * MS, value, quality)


class Collector:
    """Order is kept: a tag's samples leave as they came. Last values are remembered for writes."""

    def __init__(self, line: Line, counts: MutableMapping[str, int]) -> None:
        self.line, self.counts = line, counts
        self.watchers: dict[int, Callable[[float | str], None]] = {}
        self._numbers, self._texts = _Numbers(), _Texts()
        self._parts: list[Samples] = []
        self._last = np.full(1024, np.nan)
        self._last_text: dict[int, str] = {}

    def take(self, unit: Unit, payload: codec.Payload, floor: Quality) -> int:
        """Keep a message's metrics; how many were not in the birth. floor: best quality given."""
        default = payload.timestamp if payload.timestamp >= 0 else self.line.now() // MS
        self.counts["metrics"] += len(payload)
        if not payload.runs:
            return self._loose(unit, payload, slice(None), default, floor)
        unknown = begin = 0
        for at, run in payload.runs:
            if at > begin:
                unknown += self._loose(unit, payload, slice(begin, at), default, floor)
            unknown += self._run(unit, run, default, floor)
            begin = at
        return unknown + self._loose(unit, payload, slice(begin, None), default, floor)

    def _loose(
        self, unit: Unit, payload: codec.Payload, part: slice, default: int, floor: Quality
    ) -> int:
        told = payload.properties
        by_alias, by_name, out = unit.by_alias, unit.by_name, self._numbers
        unknown, i = 0, (part.start or 0) - 1
        for name, alias, time, kind, value, flags in zip(
            payload.name[part], payload.alias[part], payload.time[part],
            payload.datatype[part], payload.value[part], payload.flags[part], strict=True,
        ):  # fmt: skip
            i += 1
            entry = by_alias.get(alias)
            if entry is None:
                entry = by_name.get(name) if name is not None else None
                if entry is None:
                    unknown += name not in _SESSION
                    continue
            tag, born_kind, is_text = entry
            if tag < 0:
                continue
            quality: int = floor
            if told and i in told:
                quality = max(floor, quality_of(told[i]) or floor)
            if value is None or flags & codec.NULL:
                quality, value = Quality.BAD_NO_DATA, b"" if is_text else 0
            if isinstance(value, bytes) is not is_text:
                self.counts["skipped"] += 1
                continue
            if time < 0:
                time = default
            if is_text:
                self._text(tag, time, value, quality)
                continue
            out.tag.append(tag)
            out.time.append(time)
            out.bits.append(value)
            out.kind.append(kind if 0 < kind < 16 else born_kind)
            out.quality.append(quality)
        return unknown

    def _text(self, tag: int, time: int, value: bytes, quality: int) -> None:
        out = self._texts
        out.tag.append(tag)
        out.time.append(time)
        out.value.append(value.decode("utf-8", "replace"))
        out.quality.append(quality)

    def _run(self, unit: Unit, run: Run, default: int, floor: Quality) -> int:
        table = unit.table()
        if table is None:
            return self._by_hand(unit, run, default, floor)
        tags, types = table
        known = np.minimum(run.alias, len(tags) - 1)
        tag = tags[known]
        kind = np.where((run.datatype > 0) & (run.datatype < 16), run.datatype, types[known])
        wanted = tag >= 0
        self._close()
        part = Samples(
            tag,
            np.where(run.time < 0, default, run.time) * MS,
            numbers(run.bits, kind),
            np.full(len(tag), floor, "u1"),
        )
        self._parts.append(part if wanted.all() else part.where(wanted))
        return int(np.count_nonzero(tag == -2))

    def _by_hand(self, unit: Unit, run: Run, default: int, floor: Quality) -> int:
        """Aliases too far apart for a table."""
        size = len(run)
        payload = codec.Payload(
            timestamp=default,
            name=[None] * size,
            alias=run.alias.tolist(),
            time=run.time.tolist(),
            datatype=run.datatype.tolist(),
            value=run.bits.tolist(),
            flags=[0] * size,
        )
        return self._loose(unit, payload, slice(None), default, floor)

    def _close(self) -> None:
        if self._numbers.tag:
            self._parts.append(self._numbers.samples())
            self._numbers = _Numbers()

    def flush(self) -> None:
        """Give the line what there is: numbers as one, then texts as one."""
        self._close()
        if self._parts:
            whole = Samples.concat(self._parts)
            self._parts = []
            self._remember(whole)
            self.line.deliver(whole)
        if self._texts.tag:
            out, self._texts = self._texts, _Texts()
            self._last_text.update(zip(out.tag, out.value, strict=True))
            times = np.array(out.time, "i8") * MS
            self.line.deliver(Samples.of(out.tag, times, out.value, out.quality))
            for tag, value in zip(out.tag, out.value, strict=True):
                if tag in self.watchers:
                    self.watchers[tag](value)

    def _remember(self, samples: Samples) -> None:
        top = int(samples.tag.max(initial=0))
        if top >= len(self._last):
            self._last = np.concatenate([self._last, np.full(top + 1, np.nan)])
        self._last[samples.tag] = samples.value
        for tag in self.watchers:
            for value in samples.value[samples.tag == tag]:
                self.watchers[tag](float(value))

    def last(self, tag: int) -> float | str | None:
        """The newest value of a tag in this session; None before the first."""
        if tag in self._last_text:
            return self._last_text[tag]
        value = self._last[tag] if tag < len(self._last) else np.nan
        return None if np.isnan(value) else float(value)


_SESSION = (b"bdSeq", b"Node Control/Rebirth")
