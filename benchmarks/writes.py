"""Writes to the plant on loopback Modbus: decided, checked, put on record, sent, read back, audited.

One write after the other through the platform, and the same from an outside Modbus master by way of
our server. Then forbidden ones by every way in: how many reached the device, counted at the device.
`python benchmarks/writes.py [--json] [--quick]`
"""

from __future__ import annotations

import argparse
import asyncio
import json
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.house.bridged import FLOW, SPEED, VALVE, Site, float_to, modbus_asked, site
from tests.house.nodes import until

from baotu.house.control import ask
from baotu.kernel.effects import Deed
from baotu.sdk import Caller, Write

EVA = Caller("eva", "plant", frozenset({"tags.write"}))


def timed(one: Callable[[int], object], many: int) -> dict[str, float]:
    """Writes a second, and milliseconds of each."""
    took = []
    begin = time.perf_counter()
    for n in range(many):
        start = time.perf_counter()
        one(n)
        took.append((time.perf_counter() - start) * 1e3)
    wall = time.perf_counter() - begin
    p50, p99 = np.percentile(took, [50, 99])
    return {"per_s": round(many / wall, 1), "p50_ms": round(p50, 2), "p99_ms": round(p99, 2)}


def allowed(here: Site, many: int) -> dict[str, Any]:
    tag = here.hub.plant.tag(SPEED).id
    before = len(here.plant.writes)
    own = timed(lambda n: here.hub.writes.write(tag, float(n % 100), EVA, "benchmark"), many)
    register = 2 * here.number(SPEED)
    answers: list[bytes] = []

    def bridged(n: int) -> None:
        answers.extend(asyncio.run(modbus_asked(here.modbus, float_to(register, float(n % 100)))))

    outside = timed(bridged, many)
    assert all(answer[0] == 16 for answer in answers)
    reached = len(here.plant.writes) - before
    return {
        "platform": own,
        "outside Modbus master": outside,
        "asked": 2 * many,
        "reached": reached,
    }


def forbidden(here: Site, many: int) -> dict[str, Any]:
    """A quarter of them by each way: HTTP, Modbus, the machine's own socket, an app."""
    before, quarter = len(here.plant.writes), many // 4
    registers = {tag: 2 * here.number(tag) for tag in (SPEED, VALVE, FLOW)}
    pdus = [
        float_to(registers[VALVE], 1.0), float_to(registers[FLOW], 1.0),
        float_to(registers[SPEED], 1e6), struct.pack(">BHH", 6, registers[SPEED], 1),
    ]  # fmt: skip
    wishes = [(VALVE, 1.0), (FLOW, 1.0), (SPEED, 1e6)]
    refused = {"http": 0, "modbus": 0, "socket": 0, "app": 0}
    for n in range(quarter):
        tag, value = wishes[n % 3]
        refused["http"] += here.post(tag, value)[0] >= 400
        try:
            ask(here.folder / "data", "write", tag=tag, value=str(value), reason="x")
        except RuntimeError:
            refused["socket"] += 1
        who = Caller("stream", "plant", frozenset(), kind="app")
        fact = Write(here.hub.plant.tag(SPEED).id, 50.0, "not granted", expires_s=60.0)
        deed = Deed(app="other", name="say", caller=who, body=lambda _, f=fact: (None, [f]))
        here.hub.chain.submit(deed)  # the fact is taken; what becomes of it is in the audit
    answers = asyncio.run(modbus_asked(here.modbus, *(pdus[n % 4] for n in range(quarter))))
    refused["modbus"] = sum(answer[0] & 0x80 != 0 for answer in answers)
    try:
        denied = lambda: len(here.audits_of("other")) >= quarter  # noqa: E731
        until("what the app asked for is in the audit", denied, 300)
    finally:
        refused["app"] = len(here.audits_of("other"))
    return {
        "attempts": 4 * quarter, "refused": refused, "reached": len(here.plant.writes) - before,
    }  # fmt: skip


def run(many: int, attempts: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(dir=".") as folder, site(Path(folder)) as here:
        told = {"allowed": allowed(here, many), "forbidden": forbidden(here, attempts)}
    reached = told["forbidden"]["reached"]
    bar = {
        "what": f"of {told['forbidden']['attempts']:,} forbidden writes reached the device",
        "figure": reached, "bar": "0", "quick": attempts < 10_000, "met": reached == 0,
    }  # fmt: skip
    return told | {"bars": [bar]}


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--json", action="store_true")
    asked.add_argument("--quick", action="store_true")
    options = asked.parse_args()
    found = run(*((30, 400) if options.quick else (500, 10_000)))
    print(json.dumps(found, indent=None if options.json else 1))


if __name__ == "__main__":
    main()
