"""The whole plant in one process: the simulation paced by the clock, all controllers around it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from . import broker as brokers
from .config import Ports, write
from .control import Control
from .edge_nodes import EdgeNode
from .faults import Planned
from .layout import Layout
from .modbus import Bank, Listener
from .opcua import OpcUa
from .simulation import STEP_S, Simulation

STEP_NS = round(STEP_S * 1e9)
BORN_S = 15.0
WARM_UP_S = 20.0  # simulated before the doors open, so that nothing begins cold
SILENT_BELOW = 0.5  # a network loss this mild leaves the connection standing, without answers
LATE_STEPS = 20  # more than this behind, steps are skipped instead of caught up


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """base_port: of the first controller, 0 for free ones everywhere. control: "" next to them.

    config_out: folder for the configuration, "" for none. work: for the broker's own file.
    """

    host: str = "::1"
    base_port: int = 0
    seed: int = 1
    broker: brokers.Kind = "auto"
    control: str = ""
    config_out: Path | None = None
    work: Path
    data: str = "data"
    faults: Sequence[Planned] = ()


class Plant:
    """`async with Plant(options) as plant: await plant.run()`"""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.simulation = Simulation(Layout(), options.seed)
        self.control = Control(self.simulation)
        self.listeners: dict[str, Listener] = {}
        self.servers: dict[str, OpcUa] = {}
        self.nodes: dict[str, EdgeNode] = {}
        self.ports = Ports(devices={}, mqtt=0)
        self.config: Path | None = None
        self._time = 0
        self._planned = sorted(options.faults, key=lambda planned: planned.at_s)
        self._dead: dict[str, bool] = {}
        self._doors = AsyncExitStack()

    async def __aenter__(self) -> Plant:
        self.simulation.run(WARM_UP_S)
        self.simulation.steps = 0
        self._time = _now()
        try:
            await self._open()
        except BaseException:
            await self._doors.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._doors.aclose()

    async def run(self) -> None:
        """Step on absolute ticks for ever; late, but never twice as fast for long."""
        loop = asyncio.get_running_loop()
        begin, done = loop.time(), 0
        while True:
            done += 1
            await self.step()
            late = loop.time() - begin - done * STEP_S
            if late > LATE_STEPS * STEP_S:
                begin += late
            await asyncio.sleep(max(0.0, begin + done * STEP_S - loop.time()))

    async def step(self) -> None:
        """One tick: physics, then the controllers that tell on their own account."""
        simulation = self.simulation
        while self._planned and self._planned[0].at_s <= simulation.now:
            planned = self._planned.pop(0)
            simulation.faults.on(planned.name, planned.severity, simulation.now)
        simulation.step()
        self._time = _now()
        await self._network()
        for server in self.servers.values():
            await server.tell(simulation.told, self._time, simulation.steps)
        for node in self.nodes.values():
            node.tell(simulation.told, simulation.steps)
        if simulation.steps % 10 == 0:
            self._count()

    async def _open(self) -> None:
        """Controllers first, then the broker and its gateways, then the control."""
        options, push = self.options, self._doors.push_async_callback
        wanted = self._wanted_ports()
        for device in self.simulation.points.layout.devices:
            points = self.simulation.points.of_device(device)
            if device.protocol == "modbus":
                bank = Bank(device, points, self.simulation)
                listener = Listener(
                    bank, lambda: self.simulation.told, options.host, wanted[device.name]
                )
                await listener.start()
                push(listener.stop)
                self.listeners[device.name] = listener
            elif device.protocol == "opcua":
                server = OpcUa(device, self.simulation, options.host, wanted[device.name])
                await server.start()
                push(server.vanish)
                self.servers[device.name] = server
        broker = await brokers.start(wanted["mqtt"], options.work, options.host, options.broker)
        push(broker.stop)
        await self._connect(broker.port)
        control = await self.control.start(
            options.control or f"[{options.host}]:{wanted['control']}"
        )
        push(self.control.stop)
        known: dict[str, Listener | OpcUa] = {**self.listeners, **self.servers}
        self.ports = Ports(
            devices={name: known[name].port for name in known}, mqtt=broker.port, control=control
        )
        if options.config_out is not None:
            self.config = write(options.config_out, self.ports, options.host, options.data)

    async def _connect(self, port: int) -> None:
        tasks = []
        for device in self.simulation.points.layout.devices:
            if device.protocol == "sparkplug":
                node = EdgeNode(
                    device,
                    self.simulation,
                    lambda: self._time // 1_000_000,
                    self.options.host,
                    port,
                )
                self.nodes[device.name] = node
                tasks.append(asyncio.create_task(node.run()))

        async def farewell() -> None:
            for node in self.nodes.values():
                node.close()
            await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        self._doors.push_async_callback(farewell)
        try:
            await asyncio.wait_for(asyncio.gather(*(n.born() for n in self.nodes.values())), BORN_S)
        except TimeoutError:
            raise brokers.BrokerError(
                f"the gateways cannot reach the broker on port {port}"
            ) from None

    def _wanted_ports(self) -> dict[str, int]:
        names = [d.name for d in self.simulation.points.layout.devices if d.protocol != "sparkplug"]
        base = self.options.base_port
        return {
            name: base + place if base else 0
            for place, name in enumerate([*names, "mqtt", "control"])
        }

    async def _network(self) -> None:
        """Let controllers vanish, fall silent or come back, as the faults demand."""
        dead = self.simulation.faults.dead_devices(self.simulation.now)
        wanted = {name: strength > SILENT_BELOW for name, strength in dead.items()}
        if wanted == self._dead:
            return
        for name in self._dead.keys() | wanted.keys():
            gone, silent = wanted.get(name, False), wanted.get(name) is False
            if name in self.listeners:
                listener = self.listeners[name]
                listener.silent = silent
                await (listener.stop() if gone else listener.start())
            elif name in self.servers:
                server = self.servers[name]
                await (server.vanish() if name in wanted else server.start())
            elif name in self.nodes:
                node = self.nodes[name]
                node.silent = silent
                node.vanish() if gone else node.come_back()
        self._dead = wanted

    def _count(self) -> None:
        self.control.figures = {
            "points": len(self.simulation.points),
            "faults": len(self.simulation.faults.active()),
            "devices_gone": len(self._dead),
            "cpu_s": round(time.process_time(), 2),
        }


def _now() -> int:
    """Wall clock, ns UTC, rounded down to a tick: stamps on a grid compress well."""
    return time.time_ns() // STEP_NS * STEP_NS
