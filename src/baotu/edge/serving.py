"""The way out: serving drivers, each with its feed, run and run again."""

from __future__ import annotations

import structlog

from baotu.sdk import ConfigError, Refused, ServingDriver, Unreachable
from baotu.sdk.health import Health, State

from .device import Ground
from .feeds import EdgeFeed
from .spec import ServerSpec
from .waits import Backoff

log = structlog.get_logger("baotu.edge")


class Server:
    """One way out. `run` goes on until it is cancelled or its plugin fails."""

    def __init__(self, spec: ServerSpec, feed: EdgeFeed, ground: Ground) -> None:
        self.spec, self.feed, self.ground = spec, feed, ground
        self.state: State = "starting"
        self.why, self.address = "", ""
        self.since = ground.clock.now()
        self._backoff = Backoff(ground.jitter)

    async def run(self) -> None:
        if self.spec.entry.server is None:
            raise ConfigError(f"driver {self.spec.driver} cannot serve", self.spec.name)
        driver: ServingDriver = self.spec.entry.server(self.spec.settings)
        while True:
            try:
                await driver.serve(self.feed, self._ready)
                why = "it ended"
            except (Unreachable, Refused, OSError) as error:  # a port in use, a broker away
                why = str(error)
            self.feed.close()
            if self.state != "down":
                log.warning("server is lost", server=self.spec.name, why=why)
            self.enter("down", why)
            await self.ground.clock.sleep(self._backoff.next())

    def enter(self, state: State, why: str = "") -> None:
        if state != self.state:
            self.since = self.ground.clock.now()
        self.state, self.why = state, why
        self.report()

    def report(self) -> None:
        figures: dict[str, float | str] = {
            "driver": self.spec.driver, "address": self.address,
            "tags": len(self.feed.tags()), "dropped": self.feed.dropped,
            **self.feed.figures(),
        }  # fmt: skip
        self.ground.board.put(
            Health(
                kind="server", name=self.spec.name, state=self.state, since=self.since,
                why=self.why, node=self.ground.node, figures=figures,
            )
        )  # fmt: skip

    def _ready(self, address: str) -> None:
        log.info("server is up", server=self.spec.name, address=address)
        self.address = address
        self._backoff.reset()
        self.enter("up")
