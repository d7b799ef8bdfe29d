"""Third-party apps of a hub: found, asked what they are, put beside our own, granted or held."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import structlog

from baotu.kernel.board import HealthBoard
from baotu.kernel.effects import Chain
from baotu.kernel.jobs import Solving
from baotu.kernel.registry import Registry
from baotu.kernel.sandbox.minder import Minder
from baotu.kernel.sandbox.remote import WAITS, Bounds, Remote, remote_app
from baotu.kernel.sandbox.solving import solving
from baotu.kernel.sandbox.source import Source, examine
from baotu.kernel.streams import Streams
from baotu.kernel.writes import PERMISSION
from baotu.sdk import App, Caller, ConfigError
from baotu.sdk.health import Health
from baotu.sdk.ports import AppProcess, Plant
from baotu.trust.sandbox import Launcher
from baotu.trust.sandbox.grants import Apps, Book, Declared

from .file import HouseConfig

log = structlog.get_logger("baotu.apps")
INSECURE = "run_third_party_apps_without_confinement_insecure"
STATES = {
    "waiting": WAITS,
    "more": f"新版本要求更多权限，{WAITS}: this version declares more",
    "revoked": "授权已收回 its grant was revoked",
}


class Guests:
    """Empty, without a process, where there is no third-party app."""

    def __init__(self, config: HouseConfig, taken: Sequence[App]) -> None:
        """taken: apps whose names are taken. Raises ConfigError for parameters that are wrong."""
        self.config, self.organisation = config, config.basics.node.organisation
        apps = config.basics.apps
        self.launcher = Launcher(insecure=apps.run_third_party_apps_without_confinement_insecure)
        self.remotes: list[Remote] = []
        self.wrong: dict[str, str] = {}  # sources that cannot be had, and why
        self.apps: list[App] = []
        self._names = {app.name() for app in taken}
        for source in Registry(config.basics.node.plugins, apps.trusted).guests():
            if source.name not in apps.off:
                self._take(source)
        self.minder: Minder | None = None
        self.book = self._book(taken)

    def _take(self, source: Source) -> None:
        """A source that cannot be had stops nobody else."""
        apps = self.config.basics.apps
        bounds = Bounds(call_s=apps.call_s, memory_mb=apps.memory_mb, scratch_mb=apps.scratch_mb)
        try:
            for manifest in examine(self.launcher, source):
                if manifest.name in apps.off:
                    continue
                if manifest.name in self._names:
                    raise ConfigError(f"two apps are called {manifest.name}", source.name)
                if manifest.tables:
                    raise ConfigError(
                        f"{manifest.name} has tables: only an app that runs in the hub may",
                        source.name,
                        "[apps] trusted",
                    )
                given = self.config.apps.get(manifest.name, {})
                remote = Remote(self.launcher, source, manifest, given, bounds)
                self.apps.append(remote_app(remote))
                self.remotes.append(remote)
                self._names.add(manifest.name)
        except ConfigError as error:
            self.wrong[source.name] = str(error)
            log.warning("a third-party app cannot run", source=source.name, why=str(error))

    def _book(self, own: Sequence[App]) -> Book:
        """Ours are granted what they declare; the configuration may let them write."""
        writing = self.config.basics.apps.may_write
        given = {
            app.name(): frozenset(app.permissions)
            | ({PERMISSION} if app.name() in writing else frozenset())
            for app in own
        }
        declared = [
            Declared(
                app=r.manifest.name, title=r.manifest.title, source=r.source.name,
                seal=r.source.seal(), permissions=frozenset(r.manifest.permissions),
            )
            for r in self.remotes
        ]  # fmt: skip
        for app in own:
            if isinstance(app, Apps):
                app.book = Book(given, declared)
                return app.book
        return Book(given, declared)

    # -- beside the chain -----------------------------------------------------------------------
    def join(self, chain: Chain, plant: Plant) -> None:
        """Hold what has no grant, and hear of new ones."""
        self.chain = chain
        self.minder = Minder(chain, plant, self.remotes, self.organisation)
        for remote in self.remotes:
            name = remote.manifest.name
            remote.permitted = lambda name=name: self.book.runs(name)  # type: ignore[misc]
        self.book.read(chain.store, self.organisation)
        self._hold()
        chain.watch(self.book.follow(chain.store, self.organisation, self._hold))

    def begin(self, streams: Streams, board: HealthBoard) -> None:
        if self.minder is not None:
            self.minder.warm = streams.warm
        who = Caller("platform", self.organisation, frozenset(), kind="platform")
        for source, why in self.wrong.items():
            self.chain.note(source, "load", who, "refused", why)
            since = self.chain.clock.now()
            board.put(Health(kind="app", name=source, state="down", since=since, why=why))
        if self.remotes and not self.confined():
            said = f"[apps] {INSECURE}: third-party apps run unconfined"
            log.warning("insecure", why=said)
            self.chain.note("platform", "apps", who, "noted", said)
        for name in self.config.basics.apps.trusted:
            said = f"[apps] trusted: the code of {name} runs inside the hub"
            log.warning("insecure", why=said)
            self.chain.note("platform", "apps", who, "noted", said)

    def _hold(self) -> None:
        """Each as its grant says now; one that lost it ends at once."""
        for remote in self.remotes:
            name = remote.manifest.name
            if (state := self.book.state(name)) == "granted":
                self.chain.blame.release(name)
            else:
                self.chain.blame.hold(name, STATES[state])
                remote.close()

    def confined(self) -> tuple[str, ...]:
        return self.launcher.confined() if self.remotes else ()

    def tick(self) -> float:
        return self.minder.tick() if self.minder is not None and self.remotes else 1.0

    def solving(self, app: str, solve: str, problem: str, seed: int) -> Solving | None:
        """For the runner of jobs."""
        sources = {r.manifest.name: r.source for r in self.remotes}
        begin = solving(self.launcher, sources.get, self.config.basics.jobs.memory_mb, 8)
        return begin(app, solve, problem, seed)

    def stop(self) -> None:
        for remote in self.remotes:
            remote.close()
        self.launcher.stop()

    def process(self, app: str) -> AppProcess | None:
        """For the page of apps; None for one that runs in the hub."""
        remote = next((r for r in self.remotes if r.manifest.name == app), None)
        if remote is None or self.minder is None:
            return None
        bounds = remote.bounds
        limits: Mapping[str, float] = {
            "memory_mb": bounds.memory_mb, "call_s": bounds.call_s, "scratch_mb": bounds.scratch_mb,
        }  # fmt: skip
        return AppProcess(
            source=remote.source.name, version=remote.source.seal(), confined=self.confined(),
            limits=limits, figures=self.minder.figures(app), state=self.book.state(app),
            asks=tuple(sorted(remote.manifest.permissions)),
            granted=tuple(sorted(self.book.given(app))),
        )  # fmt: skip
