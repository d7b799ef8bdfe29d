"""A platform in memory with a confined app in it, beside one of ours that must not notice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from baotu.apps.manufacturing.overheat import Overheat
from baotu.bench import Bench
from baotu.kernel.board import HealthBoard
from baotu.kernel.handlers import Elsewhere
from baotu.kernel.sandbox.facts import Sight
from baotu.kernel.sandbox.minder import Minder
from baotu.kernel.sandbox.remote import Bounds, Remote, remote_app
from baotu.kernel.sandbox.source import Source, examine
from baotu.sdk import Alarm, App, Samples
from baotu.trust.sandbox import Launcher

HERE = Path(__file__).parent
SECOND = 10**9


def source(path: str) -> Source:
    file = HERE / f"{path}.py"
    return Source(name=file.stem, file=file)


def remote(launcher: Launcher, path: str, bounds: Bounds | None = None, **settings) -> Remote:
    found = source(path)
    [manifest] = examine(launcher, found)
    return Remote(launcher, found, manifest, settings, bounds or Bounds(call_s=10.0))


class House(Bench):
    """A bench whose apps elsewhere are minded."""

    def __init__(self, *apps: App, **options) -> None:
        super().__init__(*apps, **options)
        self.remotes = [app.remote for app in apps if isinstance(app, Elsewhere)]
        self.minder = Minder(self.chain, self.plant, self.remotes, "spring")
        self.minder.warm = self.streams.warm

    def audit(self, outcome: str = "") -> list[str]:
        self.minder.tick()
        rows = self.store.ask("SELECT outcome, reason FROM ledger_audit_record ORDER BY id")
        return [why for how, why in rows if not outcome or how == outcome]

    def alarms(self, app: str = "") -> list[Alarm]:
        return [f for f in self.facts if isinstance(f, Alarm)]

    def undisturbed(self) -> None:
        """Our own app hears of a hot motor, tells it, and hears that it has cooled."""
        before, now = len(self.facts), self.clock.now()
        self.plant.know("Motor", "temperature", [500])
        for n, value in enumerate((120.0, 20.0)):
            self.streams.run(Samples.of(500, [now + n], [value]))
        told = [f.active for f in self.facts[before:] if isinstance(f, Alarm) and f.tag == 500]
        assert told == [True, False]

    def hear(self, value: float = 60.0) -> list[Exception]:
        """A sample of a pump reaches the confined app; what it was blamed for."""
        self.chain.blame.errors.clear()
        self.plant.know("Pump", "flow", [1])
        self.clock.time += SECOND
        self.streams.run(Samples.of(1, [self.clock.time], [value]))
        return list(self.chain.blame.errors)


def house(launcher: Launcher, path: str, bounds: Bounds | None = None, **settings) -> House:
    one = remote(launcher, path, bounds, **settings)
    return House(remote_app(one), Overheat(), board=HealthBoard("test", told=()))


def confined(launcher: Launcher, path: str) -> type[App]:
    """A class like any other app's, for `check_app`; each object has a process of its own."""
    base = type(remote_app(remote(launcher, path)))

    def new(cls: type, **settings) -> App:
        one = remote(launcher, path, **settings)
        one.sight = lambda call, window: Sight(
            app=path, listens=frozenset(range(1000)), within=lambda tag: True, out=frozenset(),
            serves=frozenset(), solvers={},
        )  # fmt: skip
        return remote_app(one)

    return type(base.__name__, (base,), {"__new__": new, "__doc__": base.__doc__})


def flow(tag: int, values, start: int = 0) -> Samples:
    return Samples.of(tag, start + SECOND * np.arange(len(values)), np.asarray(values, float))


Made = Callable[..., House]
