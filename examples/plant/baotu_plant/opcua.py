"""OPC UA servers of the plant: machines as objects, points as variables with units and ranges.

Built on asyncua, with a lean address space, values that need no copying, and history of the fast
points from ring buffers. Serves without message security: it is a device on the loopback.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime
from time import time_ns

import numpy as np
from asyncua import Server, ua
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.address_space import AttributeService
from asyncua.server.internal_server import InternalServer

from .layout import FAST_S, Device
from .opcua_history import Rings, stamp
from .opcua_names import address
from .opcua_space import node_id, roots, standard_nodes
from .opcua_tree import VARIANT, Tree
from .points import Point
from .simulation import STEP_S, Refusal, Simulation

HISTORY = 6000  # rows of the fast points: ten minutes
SLICES = round(1.0 / STEP_S)  # slow points are told in this many turns, a tenth of them in each


CLOCK = node_id("Server_ServerStatus_CurrentTime")


class Reading(ua.DataValue):
    """A value that nobody changes: subscriptions may share it instead of copying it."""

    def __deepcopy__(self, memo: object) -> Reading:
        return self


class _Operator:
    """Everyone who connects may read all and write what is writable; nobody is administrator."""

    def get_user(self, *_: object, **__: object) -> User:
        return User(role=UserRole.User)


class _Lean(InternalServer):
    """An internal server that loads the lean address space."""

    async def load_standard_address_space(self, shelf_file: object = None) -> None:
        service = self.node_mgt_service
        left = list(service.try_add_nodes(list(standard_nodes()), check=False))
        if left:
            raise RuntimeError(f"{len(left)} standard nodes have no parent: {left[0].BrowseName}")
        for folder, type in roots():
            item = ua.AddReferencesItem()
            item.SourceNodeId, item.TargetNodeId = node_id(folder), node_id(type)
            item.ReferenceTypeId, item.IsForward = node_id("Organizes"), True
            service.add_references([item])


class _Writes(AttributeService):
    """Lets writes of clients command the simulation, and refuses what it refuses."""

    def __init__(self, served: OpcUa, base: AttributeService) -> None:
        super().__init__(base._aspace)
        self._served = served

    async def write(
        self, params: ua.WriteParameters, user: User | None = None
    ) -> list[ua.StatusCode]:
        results = []
        for one in params.NodesToWrite:
            status = self._served.refusal(one) if user and user.role != UserRole.Admin else None
            if status is None:
                single = ua.WriteParameters(NodesToWrite=[one])
                status = (await super().write(single, user or User(role=UserRole.Admin)))[0]
                if status.is_good() and user and user.role != UserRole.Admin:
                    self._served.take(one)
            results.append(status)
        return results


class OpcUa:
    """One server. `tell` writes what changed; `vanish` and `start` play the lost network."""

    def __init__(self, device: Device, simulation: Simulation, host: str, port: int) -> None:
        self.device, self._simulation, self._host, self.port = device, simulation, host, port
        self._points = simulation.points.of_device(device)
        self._server: Server | None = None
        self._rings = Rings(HISTORY)
        self._ids: list[ua.NodeId] = []
        self._by_id: dict[ua.NodeId, Point] = {}
        index = np.array([p.index for p in self._points])
        fast = np.array([p.period_s == FAST_S for p in self._points])
        turn = np.arange(len(index)) % SLICES
        self._turns = [np.flatnonzero(fast | (turn == k)) for k in range(SLICES)]
        self._index, self._last = index, np.full(len(index), np.nan)
        self._fast = index[fast]

    @property
    def url(self) -> str:
        return f"opc.tcp://[{self._host}]:{self.port}"

    async def start(self) -> None:
        """Listen; again on the same port after `vanish`."""
        if self._server is not None:
            return
        logging.getLogger("asyncua.server").setLevel(logging.ERROR)
        internal = _Lean(user_manager=_Operator())  # type: ignore[arg-type]
        internal.match_discovery_endpoint_url = True
        server = Server(iserver=internal)
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        server.set_identity_tokens([ua.AnonymousIdentityToken])
        server.name = self.device.title
        server.product_uri = "urn:quancheng:plant"
        server.manufacturer_name = "Quancheng"
        server.set_endpoint(self.url)
        server.disable_clock()  # its own would be waited for at the end; `tell` sets the time
        await server.init()
        await server.set_application_uri(f"urn:quancheng:{self.device.name}")
        internal.history_manager.set_storage(self._rings)
        namespace = await server.register_namespace(f"urn:quancheng:{self.device.name}:machines")
        self._populate(internal, namespace)
        internal.attribute_service = _Writes(self, internal.attribute_service)
        self._last[:] = np.nan
        every = np.arange(len(self._points))  # whoever asks first sees values, never zeros
        await self._write(server, every, self._simulation.told, stamp(time_ns()))
        await server.start()
        assert server.bserver is not None
        self.port = server.bserver.port
        self._server = server

    async def vanish(self) -> None:
        """No listener, all connections reset."""
        server, self._server = self._server, None
        if server is None:
            return
        for transport in list(server.iserver.asyncio_transports):
            transport.abort()
        await asyncio.sleep(0)
        await server.stop()

    async def tell(self, told: np.ndarray, time: int, step: int) -> None:
        """Write the points whose turn it is and which changed. time: ns UTC."""
        self._rings.append(time, told[self._fast])
        if self._server is None:
            return
        when = stamp(time)
        if step % SLICES == 0:
            now = Reading(Value=ua.Variant(when, ua.VariantType.DateTime), SourceTimestamp=when)
            space = self._server.iserver.aspace
            await space.write_attribute_value(CLOCK, ua.AttributeIds.Value, now)
        await self._write(self._server, self._turns[step % SLICES], told, when)

    async def _write(
        self, server: Server, chosen: np.ndarray, told: np.ndarray, when: datetime
    ) -> None:
        """Those of the chosen points that differ from what the server says."""
        values = told[self._index[chosen]]
        changed = np.flatnonzero(values != self._last[chosen])
        write = server.iserver.aspace.write_attribute_value
        for place, value in zip(chosen[changed].tolist(), values[changed].tolist(), strict=True):
            reading = self._reading(self._points[place], value, when)
            await write(self._ids[place], ua.AttributeIds.Value, reading)
        self._last[chosen] = values

    def refusal(self, write: ua.WriteValue) -> ua.StatusCode | None:
        """Why a client's value is not taken; None when it is, or when it is no point of ours."""
        point = self._by_id.get(write.NodeId)
        if point is None or write.AttributeId != ua.AttributeIds.Value or write.Value.Value is None:
            return None
        if write.Value.Value.VariantType != VARIANT[point.property.kind]:
            return ua.StatusCode(ua.StatusCodes.BadTypeMismatch)
        if not point.property.writable:
            return ua.StatusCode(ua.StatusCodes.BadNotWritable)
        try:
            self._simulation.check(point, float(write.Value.Value.Value))
        except Refusal:
            return ua.StatusCode(ua.StatusCodes.BadOutOfRange)
        return None

    def take(self, write: ua.WriteValue) -> None:
        point = self._by_id.get(write.NodeId)
        if point is not None and write.Value.Value is not None:
            self._simulation.command(point, float(write.Value.Value.Value))

    def _reading(self, point: Point, value: float, when: datetime) -> Reading:
        kind = point.property.kind
        told: float | bool | str = value
        if kind == "text":
            told = point.words[int(value)]
        elif kind == "boolean":
            told = value != 0
        return Reading(
            Value=ua.Variant(told, VARIANT[kind]), SourceTimestamp=when, ServerTimestamp=when
        )

    def _populate(self, internal: InternalServer, namespace: int) -> None:
        items = list(Tree(self._points, namespace).items())
        left = list(internal.node_mgt_service.try_add_nodes(items, check=False))
        if left:
            raise RuntimeError(f"{self.device.name}: no place for {left[0].BrowseName}")
        self._ids = [ua.NodeId(address(p), namespace) for p in self._points]
        self._by_id = dict(zip(self._ids, self._points, strict=True))
        self._rings.columns([i for i, p in self._by_id.items() if p.period_s == FAST_S])
