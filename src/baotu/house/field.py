"""The edge of a node, wired: devices and servers in a loop of their own, samples onto the link."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import TimeoutError as TookTooLong
from typing import Any

from baotu.edge.edge import Edge
from baotu.edge.feeds import Outside
from baotu.edge.spec import DeviceSpec, ServerSpec
from baotu.fabric.edge import EdgeLink
from baotu.fabric.wire import Wire
from baotu.kernel.board import HealthBoard
from baotu.kernel.lifecycle import LoopThread, Stack
from baotu.sdk import Samples, Tag
from baotu.sdk.clock import Clock
from baotu.sdk.ports import Reply
from baotu.trust.secrets import Resolver

from .bridging import HubByLink
from .file import DeviceLine, HouseConfig, ServerLine

Opened = Callable[[Any, str], Any]
GRACE_S = 0.5  # beyond a write's deadline, for its answer to come back


class Field:
    """Rooms of a node that acquires. Works with no hub in sight."""

    def __init__(
        self,
        config: HouseConfig,
        wire: Wire,
        board: HealthBoard,
        clock: Clock,
        ask: Outside | None = None,
        resolver: Resolver | None = None,
    ) -> None:
        """ask: carries writes of outside clients through the platform's chain; None: to the hub
        by the link. resolver: opens secrets that settings refer to."""
        basics, self._resolver = config.basics, resolver
        self.name, self.clock, self.board = basics.node.name, clock, board
        self._stack = Stack()
        folder = basics.node.data / "edge"
        folder.mkdir(parents=True, exist_ok=True)
        self.link = EdgeLink(
            folder / "log", wire, edge=self.name, settings=basics.fabric, clock=clock,
            on_write=self._write, tell=board.put,
        )  # fmt: skip
        self._stack.add("link", self.link.close)
        self.loop = LoopThread("edge")
        self._stack.add("edge loop", self.loop.stop)
        self.edge = Edge(
            name=self.name, folder=folder, sink=self._append, board=board, clock=clock,
            settings=basics.edge, ask=ask or HubByLink(self.link), on_tags=self.link.hello,
            past=self.link.past,
        )  # fmt: skip
        self._config = config

    def start(self) -> None:
        """Raises ConfigError when devices do not hold together; then nothing runs."""
        devices, servers = self._specs(self._config)
        self.loop.call(self.edge.start(devices, servers=servers), deadline_s=60.0)
        self._stack.add("edge", lambda: self.loop.call(self.edge.stop(), deadline_s=15.0))

    def stop(self) -> None:
        self._stack.close()

    def apply(self, config: HouseConfig) -> list[str]:
        """Start, stop and change what differs. Raises ConfigError, with nothing changed."""
        devices, servers = self._specs(config)
        return self.loop.call(self.edge.apply(devices, servers=servers), deadline_s=60.0)

    def _specs(self, config: HouseConfig) -> tuple[list[DeviceSpec], list[ServerSpec]]:
        """Secrets are opened here, where their users begin. Raises ConfigError."""
        open_ = self._resolver.settings if self._resolver else _as_it_is
        return specs(config.devices, open_), served(config.servers, open_)

    def tags(self) -> Sequence[Tag]:
        return self.edge.tags()

    def _append(self, samples: Samples) -> int:
        return self.link.append(samples)

    def _write(self, tag: int, value: float | str, deadline: int) -> Reply:
        left = (deadline - self.clock.now()) / 1e9
        try:
            return self.loop.call(self.edge.write(tag, value, deadline), left + GRACE_S)
        except TookTooLong:
            return Reply(
                done=False,
                why=f"the device did not answer in {left:.1f} s; it may still have been done",
            )


def _as_it_is(settings: Any, whose: str) -> Any:
    return settings


def specs(lines: Sequence[DeviceLine], opened: Opened = _as_it_is) -> list[DeviceSpec]:
    """opened: gives settings with the secrets they refer to."""
    return [
        DeviceSpec(
            name=line.common.name,
            driver=line.common.driver,
            entry=line.entry,
            settings=opened(line.settings, f"device {line.common.name}"),
            tags=line.tags,
            period_s=line.common.period_s,
            discover=line.common.accept
            or (("*",) if getattr(line.settings, "discover", "") else ()),
            discover_under=line.common.accept_under,
        )
        for line in lines
    ]


def served(lines: Sequence[ServerLine], opened: Opened = _as_it_is) -> list[ServerSpec]:
    return [
        ServerSpec(
            name=line.common.name,
            driver=line.common.driver,
            entry=line.entry,
            settings=opened(line.settings, f"server {line.common.name}"),
            under=line.common.under,
            gate=line.common.gate(),
        )
        for line in lines
    ]
