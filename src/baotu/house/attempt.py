"""`baotu try`: one app file on a plant that is simulated faster than life; prints its facts.

Nothing is installed, started or kept: the platform is in memory, the plant is arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

import numpy as np

from baotu.bench import MORNING, Bench
from baotu.kernel.registry import apps_of, load_file
from baotu.sdk import App, ConfigError, Fact, Samples
from baotu.sdk.facts import Alarm, Event, Evidence, Job, Write
from baotu.sdk.samples import SECOND

CHUNK_S = 10  # simulated seconds that reach the app at once


def attempt(
    path: Path, plant: str, minutes: float, faults: Sequence[str], seed: int
) -> Iterator[str]:
    """Lines to print. Raises ConfigError for a file without an app, ValueError for a fault that
    the plant does not have."""
    if plant != "demo":
        raise ConfigError(f"no plant {plant!r}", "--plant", "there is: demo")
    kinds = apps_of(load_file(path))
    if not kinds:
        raise ConfigError("defines no App", str(path), "write a class that inherits baotu.sdk.App")
    for kind in kinds:
        yield from _Trial(kind, faults, seed).lines(minutes)


class _Trial:
    def __init__(self, kind: type[App], faults: Sequence[str], seed: int) -> None:
        self.kind, self.bench = kind, Bench(kind())
        self.simulation = import_module("baotu_plant.simulation").Simulation(seed=seed)
        planned = import_module("baotu_plant.faults").planned
        self.faults = [planned(text) for text in faults]
        for fault in self.faults:
            self.simulation.faults.find(fault.name)  # an unknown one is told before anything runs
        self.points = {p.index + 1: p for p in self.simulation.points if not p.words}
        self.wanted = self._wanted()

    def _wanted(self) -> dict[tuple[str, str], np.ndarray]:
        """(asset type, property) → tag numbers, of everything that the app listens to."""
        asked = {(m.asset, m.property) for m, _ in self.kind.marked("stream")}
        asked |= {(m.asset, name) for m, _ in self.kind.marked("every") for name in m.inputs}
        found = {}
        for asset, name in sorted(asked):
            tags = [
                t
                for t, p in self.points.items()
                if (p.machine.type, p.property.id) == (asset, name)
            ]
            if tags:
                found[asset, name] = np.array(tags, "i4")
        return found

    def lines(self, minutes: float) -> Iterator[str]:
        tags = sum(map(len, self.wanted.values()))
        yield f"{self.kind.name()}: {minutes:g} min, {tags} tags of the demo plant"
        if not tags and self.kind.marked("stream", "every"):
            heard = ", ".join(
                f"{m.asset}.{m.property or m.inputs}"
                for m, _ in self.kind.marked("stream", "every")
            )
            yield f"! the demo plant has nothing of what it listens to: {heard}"
        told, chunks = 0, max(1, round(minutes * 60 / CHUNK_S))
        for chunk in range(chunks):
            self._play(chunk)
            for fact in self.bench.facts[told:]:
                yield self._said(fact)
            told = len(self.bench.facts)
        yield f"{self.kind.name()}: {told} facts"

    def _play(self, chunk: int) -> None:
        """Some seconds of the plant: every tag once a second, then whatever is due."""
        seconds, rows = CHUNK_S * chunk + np.arange(CHUNK_S), []
        for _ in seconds:
            for fault in [f for f in self.faults if f.at_s <= self.simulation.now]:
                self.simulation.faults.on(fault.name, fault.severity, self.simulation.now)
                self.faults.remove(fault)
            self.simulation.run(1.0)
            rows.append(self.simulation.told.copy())
        told = np.array(rows)
        for (asset, name), tags in self.wanted.items():
            times = np.repeat(MORNING + seconds * SECOND, len(tags))
            part = Samples.of(np.tile(tags, CHUNK_S), times, told[:, tags - 1].ravel())
            self.bench.feed(asset, name, part)
        self.bench.clock.time = MORNING + (CHUNK_S * (chunk + 1)) * SECOND
        self.bench.wait("1 ms")

    def _said(self, fact: Fact) -> str:
        match fact:
            case Alarm():
                sign = "▲" if fact.active else "△"
                return f"{_clock(fact.time)} {sign}{int(fact.priority)} {self._name(fact.tag)}: {fact.message}"
            case Samples():
                pairs = zip(fact.tag.tolist(), fact.value.tolist(), strict=True)
                values = ", ".join(f"{self._name(tag)} = {value}" for tag, value in pairs)
                return f"{_clock(int(fact.time[0]))} ~ {values}"
            case Event():
                return f"  * {fact.kind} {dict(fact.data)}"
            case Write():
                return f"  → write {self._name(fact.tag)} = {fact.value}: {fact.reason}"
            case Job():
                return f"  ⚙ job {fact.solve.__name__}"
            case Evidence():
                return f"  ✓ {fact.element} {fact.claim} {dict(fact.figures)}"
        return str(fact)

    def _name(self, tag: int) -> str:
        if tag in self.points:
            return str(self.points[tag].name)
        known = self.bench.plant.by_id(tag)
        return known.name if known else str(tag)


def _clock(time: int) -> str:
    return f"{datetime.fromtimestamp(time / SECOND, UTC):%H:%M:%S}"
