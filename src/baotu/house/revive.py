"""Opens the rooms of a restored node and says what they answer: `python -m baotu.house.revive
CONFIG`. In a process of its own, because what was restored is not to be trusted with this one."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from baotu.kernel.board import HealthBoard
from baotu.kernel.clock import SystemClock
from baotu.sdk import BaotuError
from baotu.trust.backup.restore import Restored

from .file import load
from .hub import Hub
from .settings import Basics
from .stage import DATA, broken_in, facts_of

DEADLINE_S = 900.0


def answers(path: Path) -> dict[str, float]:
    """What the node's own rooms say: tags, samples, records that can be read."""
    text = None if path.exists() else ""
    config = load(path, text, data=path.parent / DATA)
    basics = config.basics
    quiet: Basics = replace(basics, records=replace(basics.records, url="", password=""))
    hub = Hub(replace(config, basics=quiet), HealthBoard(), SystemClock())
    try:
        return {
            "tags": hub.plant.tags(limit=1).total,
            "samples": hub.history.figures()["samples"],
            "audit": len(hub.audit().records(limit=1)),
        }
    finally:
        hub.stop()


def differences(folder: Path, told: Restored) -> list[str]:
    """What a restored node says otherwise than when it was kept; empty: it says the same."""
    data, wanted = folder / DATA, told.facts
    found = broken_in(data)
    now = facts_of(data)
    for kind in ("tables", "history"):
        for name, value in wanted.get(kind, {}).items():
            if now[kind].get(name) != value:
                found.append(
                    f"{kind}/{name}: {_short(value)} was kept, {_short(now[kind].get(name))} came back"
                )
    if "history" in told.covers and not found:
        found += _asked(folder, wanted)
    return found


def samples_in(facts: dict[str, Any]) -> int:
    history = facts.get("history", {})
    sealed = sum(
        row[1] for kind, row in history.get("sealed", {}).items() if kind in ("number", "text")
    )
    return int(sealed + sum(row[1] for row in history.get("hot", {}).values()))


def _asked(folder: Path, wanted: dict[str, Any]) -> list[str]:
    command = [sys.executable, "-m", "baotu.house.revive", str(folder / wanted["config"])]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=DEADLINE_S
        )
    except subprocess.TimeoutExpired:
        return [
            f"恢复的节点 {DEADLINE_S:g} 秒内没有回答 the restored node did not answer in that time"
        ]
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["?"])[-1]
        return [f"恢复的节点打不开 the restored node does not open: {last}"]
    said = msgspec.json.decode(done.stdout.splitlines()[-1], type=dict[str, float])
    right = {"samples": samples_in(wanted), "tags": wanted.get("tags", said["tags"])}
    return [
        f"{name}: {value} was kept, the restored node says {said[name]:g}"
        for name, value in right.items()
        if said[name] != value
    ]


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) < 100 else text[:97] + "…"


def main() -> int:
    try:
        sys.stdout.write(msgspec.json.encode(answers(Path(sys.argv[1]))).decode() + "\n")
    except BaotuError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
