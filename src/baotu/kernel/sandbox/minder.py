"""Minds the apps that are in other processes: begins them anew, tells the audit, stops what misbehaves."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from baotu.kernel.effects import Chain, Deed
from baotu.sdk import Alarm, Call, Caller, Fact, Priority, Records, Window
from baotu.sdk.ports import Plant

from .facts import Sight
from .port import Gone
from .remote import Remote, solver

LOOK_S = 2.0
IDLE_SHARE = 0.1  # of a processor, while nobody calls
NO_TAG = -1  # an alarm about the app itself


class Minder:
    """`tick` belongs to the thread of the apps. warm: runs the last hour of active alarms again."""

    def __init__(self, chain: Chain, plant: Plant, remotes: Sequence[Remote], organisation: str):
        self.chain, self.plant, self.organisation = chain, plant, organisation
        self.remotes = {remote.manifest.name: remote for remote in remotes}
        self.warm: Callable[[str], None] = lambda app: None
        self._who = Caller("platform", organisation, frozenset(), kind="platform")
        self._listens: dict[str, tuple[int, frozenset[int]]] = {}
        self._looked: dict[str, tuple[float, float, int]] = {}  # when, seconds of CPU, calls
        self._figures: dict[str, Mapping[str, float]] = {}
        self._halted: set[str] = set()
        self._due = 0.0
        for remote in remotes:
            remote.minded = True
            remote.sight = self._sights(remote)

    def tick(self) -> float:
        """In how many seconds again."""
        for name, remote in self.remotes.items():
            if remote.cold and remote.revive():
                self.warm(name)
            for note in remote.take_notes():
                self.chain.note(name, "process", self._who, note.outcome, note.why)
            if remote.stopped and name not in self._halted:
                self._halted.add(name)
                self._stop(name, remote.stopped)
        if (now := time.monotonic()) >= self._due:
            self._due = now + LOOK_S
            for name, remote in self.remotes.items():
                self._look(name, remote)
        return 0.5

    def figures(self, app: str) -> Mapping[str, float]:
        """cpu_s, private_mb, rss_mb as last seen, calls, starts."""
        remote = self.remotes[app]
        counted = {"calls": float(remote.calls), "starts": float(remote.began)}
        return {**self._figures.get(app, {}), **counted}

    def _stop(self, app: str, why: str) -> None:
        self.chain.blame.halt(app, why)
        said = f"应用已停止 App stopped: {why}"
        now = self.chain.clock.now()
        alarm = Alarm(NO_TAG, now, True, said, "stopped", Priority.MEDIUM)

        def body(records: Records) -> tuple[None, Sequence[Fact]]:
            return None, [alarm]

        deed = Deed(app=app, name="stop", caller=self._who, body=body, audited=False)
        self.chain.submit_all([deed])

    def _look(self, app: str, remote: Remote) -> None:
        """What it takes; a process that works while nobody calls it is ended."""
        process = remote.process
        if process is None:
            self._figures.pop(app, None)
            self._looked.pop(app, None)
            return
        try:
            figures = process.figures()
        except (Gone, OSError):
            return
        now, calls = time.monotonic(), remote.calls
        self._figures[app] = figures
        before = self._looked.get(app)
        self._looked[app] = now, figures.get("cpu_s", 0.0), calls
        if before is None or before[2] != calls or remote.busy:
            return
        if figures.get("cpu_s", 0.0) - before[1] > IDLE_SHARE * (now - before[0]):
            self._looked.pop(app)
            remote.end("worked while nobody called it")

    # -- what an app may speak of ---------------------------------------------------------------
    def _sights(self, remote: Remote) -> Callable[[Call | None, Window | None], Sight]:
        manifest = remote.manifest
        solvers = {o.solve: solver(o.solve) for o in manifest.offers if o.solve}

        def sight(call: Call | None, window: Window | None) -> Sight:
            whose = call.caller.organisation if call is not None else self.organisation
            return Sight(
                app=manifest.name, listens=self._listened(remote),
                within=lambda tag: self._whose(tag) == whose,
                out=frozenset(window.out.values()) if window is not None else frozenset(),
                serves=frozenset(manifest.serves), solvers=solvers,
            )  # fmt: skip

        return sight

    def _listened(self, remote: Remote) -> frozenset[int]:
        """Tags that its handlers listen to, and those it derives."""
        name, version = remote.manifest.name, self.plant.version()
        known = self._listens.get(name)
        if known is None or known[0] != version:
            offers, derives = remote.manifest.offers, remote.manifest.derives.values()
            pairs = {(o.asset, o.property) for o in offers if o.kind == "stream"}
            pairs |= {(o.asset, one) for o in offers if o.kind == "every" for one in o.inputs}
            pairs |= {(d.asset, d.property) for d in derives}
            parts = [self.plant.ids(*pair) for pair in sorted(pairs)]
            every = np.concatenate(parts) if parts else np.empty(0, "i4")
            known = self._listens[name] = version, frozenset(every.tolist())
        return known[1]

    def _whose(self, id: int) -> str:
        """Its organisation; empty for what is no tag."""
        tag = self.plant.by_id(id) if 0 <= id < 2**31 else None
        if tag is None:
            return ""
        asset = self.plant.asset(tag.asset) if tag.asset else None
        return (asset.organisation if asset is not None else "") or self.organisation
