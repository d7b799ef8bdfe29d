"""Logs for tests and benchmarks: the same rows each time, written by the real writer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from baotu.trust.audit.keys import Ed25519Signer
from baotu.trust.audit.log import GROUP, Log
from baotu.trust.audit.record import Canonical

SIGNER = Ed25519Signer("plant/hub", bytes(range(32)))
MORNING = 1_780_300_800_000_000_000  # 2026-06-01 08:00 UTC
WHO = ("li.na", "王伟", "operator", "platform", 'o"neill')
VERBS = ("pumping.set_target", "alarms.acknowledge", "config.replace", "jobs.cancel")


def row(id: int) -> tuple[Any, ...]:
    verb = VERBS[id * 7 % 4]
    why = f"季度目标 Target of quarter {id % 4 + 1}, step {id}" if id % 3 else ""
    outcome = "denied" if id % 11 == 0 else "done"
    return id, "plant", MORNING + id * 1_234_567_890, WHO[id % 5], verb, verb, outcome, why


def entries(first: int, many: int) -> list[bytes]:
    made = Canonical()
    return [made(row(id)) for id in range(first, first + many)]


def written(folder: Path, size: int, groups: Sequence[int] = (GROUP,)) -> Log:
    """A log of this many records, appended in groups of these sizes in turn."""
    log, turn = Log(folder, SIGNER), 0
    while log.size < size:
        log.append(entries(log.size + 1, min(groups[turn % len(groups)], size - log.size)))
        turn += 1
    return log
