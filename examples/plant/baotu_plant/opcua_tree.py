"""The plant as nodes of an OPC UA server: places, machines, points with unit and range."""

from __future__ import annotations

from typing import Any

from asyncua import ua

from .layout import FAST_S, SITE, Machine
from .opcua_names import address
from .opcua_space import node_id
from .points import Point

VARIANT = {
    "number": ua.VariantType.Double,
    "boolean": ua.VariantType.Boolean,
    "text": ua.VariantType.String,
}
DATA_TYPE = {"number": "Double", "boolean": "Boolean", "text": "String"}


class Tree:
    """Nodes of the plant below Objects: places, machines, their points with unit and range."""

    def __init__(self, points: list[Point], namespace: int) -> None:
        self._points, self._namespace = points, namespace
        self._done: set[str] = set()

    def items(self) -> list[ua.AddNodesItem]:
        items: list[ua.AddNodesItem] = []
        for point in self._points:
            items += self._folders(point.machine)
            items.append(self._variable(point))
            items += self._properties(point)
        return items

    def _folders(self, machine: Machine) -> list[ua.AddNodesItem]:
        """The part of the path below the site: area, line, unit, machine."""
        items = []
        parts = machine.path.removeprefix(f"{SITE}/").split("/")
        for depth in range(len(parts)):
            path = "/".join(parts[: depth + 1])
            if path in self._done:
                continue
            self._done.add(path)
            last = depth == len(parts) - 1
            attributes = ua.ObjectAttributes()
            attributes.DisplayName = ua.LocalizedText(machine.title if last else parts[depth])
            attributes.EventNotifier = 0
            above = "/".join(parts[:depth])
            items.append(
                self._item(
                    machine.id if last else path,
                    parts[depth],
                    ua.NodeId(above, self._namespace) if above else node_id("ObjectsFolder"),
                    "HasComponent" if last else "Organizes",
                    ua.NodeClass.Object,
                    attributes,
                    "BaseObjectType" if last else "FolderType",
                )
            )
        return items

    def _variable(self, point: Point) -> ua.AddNodesItem:
        prop = point.property
        attributes = ua.VariableAttributes()
        attributes.DisplayName = ua.LocalizedText(prop.title)
        attributes.DataType = node_id(DATA_TYPE[prop.kind])
        attributes.ValueRank = ua.ValueRank.Scalar
        attributes.MinimumSamplingInterval = 1000.0 * point.period_s
        attributes.Historizing = point.period_s == FAST_S
        level = ua.AccessLevel.CurrentRead.mask
        level |= ua.AccessLevel.CurrentWrite.mask if prop.writable else 0
        level |= ua.AccessLevel.HistoryRead.mask if attributes.Historizing else 0
        attributes.AccessLevel = attributes.UserAccessLevel = level
        attributes.Value = ua.Variant(
            {"number": 0.0, "boolean": False, "text": ""}[prop.kind], VARIANT[prop.kind]
        )
        analog = prop.kind == "number" and prop.unit
        return self._item(
            address(point),
            prop.id,
            ua.NodeId(point.machine.id, self._namespace),
            "HasComponent",
            ua.NodeClass.Variable,
            attributes,
            "AnalogItemType" if analog else "BaseDataVariableType",
        )

    def _properties(self, point: Point) -> list[ua.AddNodesItem]:
        prop = point.property
        if prop.kind != "number" or not prop.unit:
            return []
        unit = ua.EUInformation(
            NamespaceUri="http://unitsofmeasure.org",
            UnitId=-1,
            DisplayName=ua.LocalizedText(prop.unit),
            Description=ua.LocalizedText(prop.unit),
        )
        items = [self._fact(point, "EngineeringUnits", "EUInformation", unit)]
        if prop.low is not None and prop.high is not None:
            span = ua.Range(Low=prop.low, High=prop.high)
            items.append(self._fact(point, "EURange", "Range", span))
        return items

    def _fact(self, point: Point, name: str, type: str, value: object) -> ua.AddNodesItem:
        attributes = ua.VariableAttributes()
        attributes.DisplayName = ua.LocalizedText(name)
        attributes.DataType = node_id(type)
        attributes.ValueRank = ua.ValueRank.Scalar
        attributes.AccessLevel = attributes.UserAccessLevel = ua.AccessLevel.CurrentRead.mask
        attributes.Value = ua.Variant(value, ua.VariantType.ExtensionObject)
        above = address(point)
        item = self._item(
            f"{above}.{name}",
            name,
            ua.NodeId(above, self._namespace),
            "HasProperty",
            ua.NodeClass.Variable,
            attributes,
            "PropertyType",
        )
        item.BrowseName = ua.QualifiedName(name, 0)
        return item

    def _item(
        self,
        id: str,
        name: str,
        parent: ua.NodeId,
        reference: str,
        kind: ua.NodeClass,
        attributes: Any,
        type: str,
    ) -> ua.AddNodesItem:
        item = ua.AddNodesItem()
        item.RequestedNewNodeId = ua.NodeId(id, self._namespace)
        item.BrowseName = ua.QualifiedName(name, self._namespace)
        item.ParentNodeId, item.ReferenceTypeId = parent, node_id(reference)
        item.NodeClass, item.NodeAttributes = kind, attributes
        item.TypeDefinition = node_id(type)
        return item
