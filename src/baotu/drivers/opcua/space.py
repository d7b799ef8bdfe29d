"""The tag tree as an OPC UA address space: folders by asset path, one variable for each tag.

Values rest in columns; a DataValue is made only when somebody reads it or subscribes to it.
Nodes are put into asyncua's store directly: its own AddNodes scans a parent's children each time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import numpy as np
from asyncua import ua
from asyncua.server.address_space import AddressSpace, AttributeValue, NodeData

from baotu.sdk import Quality, Samples, Tag
from baotu.sdk.quality import to_status

from .units import NAMESPACE, unit_id

SLICE = 200  # values handled before the loop gets its turn
NODES = 50  # tags made into nodes before it does: a node takes a tenth of a millisecond
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TYPES = {
    "number": ua.VariantType.Double,
    "boolean": ua.VariantType.Boolean,
    "text": ua.VariantType.String,
}
_READ, _WRITE = 1, 2  # bits of AccessLevel (OPC 10000-3, 8.57)
FOLDER, VARIABLE, PROPERTY, ANALOG, BASE_ANALOG = "i=61", "i=63", "i=68", "i=2368", "i=15318"
ORGANIZES, HAS_PROPERTY, HAS_TYPE = "i=35", "i=46", "i=40"
RANGE, EU_INFORMATION = "i=884", "i=887"


class Space:
    """The tags of a node inside an asyncua address space, in namespace `index`."""

    def __init__(self, store: AddressSpace, index: int) -> None:
        self.store, self.index = store, index
        self.tags: list[Tag] = []
        self.by_node: dict[ua.NodeId, Tag] = {}
        self._row: dict[int, int] = {}  # tag id → row of the columns
        self._value: list[float | str | None] = []
        self._time = np.empty(0, "i8")
        self._quality = np.empty(0, "u1")
        self._attributes: list[AttributeValue] = []
        self._folders: set[str] = set()

    async def add(self, tags: Sequence[Tag]) -> None:
        """Make nodes for new tags, without holding the loop."""
        new = [tag for tag in tags if tag.id not in self._row]
        for start in range(0, len(new), NODES):
            batch = new[start : start + NODES]
            self._time = np.append(self._time, np.zeros(len(batch), "i8"))
            waiting = np.full(len(batch), Quality.BAD_WAITING, "u1")
            self._quality = np.append(self._quality, waiting)
            for tag in batch:
                self._add(tag)
            await asyncio.sleep(0)

    def _add(self, tag: Tag) -> None:
        row = len(self.tags)
        self._row[tag.id] = row
        self.tags.append(tag)
        self._value.append(None)
        node = self._variable(tag, self._folder(tag.asset))
        attribute = node.attributes[ua.AttributeIds.Value]
        attribute.value_callback = lambda _node, _attribute, row=row: self.data_value(row)
        self._attributes.append(attribute)
        self.by_node[node.nodeid] = tag

    def knows(self, samples: Samples) -> bool:
        return all(tag in self._row for tag in np.unique(samples.tag).tolist())

    async def take(self, samples: Samples) -> int:
        """Keep the newest of each tag and tell subscribers of every sample; how many were told."""
        told = 0
        columns = (samples.tag, samples.time, samples.quality, samples.value)
        lines = zip(*(column.tolist() for column in columns), strict=True)
        for count, (tag, when, quality, value) in enumerate(lines, 1):
            row = self._row.get(tag)
            if row is None or when < self._time[row]:
                continue
            self._value[row] = value
            self._time[row], self._quality[row] = when, quality
            callbacks = self._attributes[row].datachange_callbacks
            if callbacks:
                told += 1
                made = self.data_value(row)
                for handle, tell in list(callbacks.items()):
                    await tell(handle, made)
            if count % SLICE == 0:
                await asyncio.sleep(0)
        return told

    def data_value(self, row: int) -> ua.DataValue:
        """The newest sample of a tag with its quality and source time stamp."""
        quality, value = int(self._quality[row]), self._value[row]
        kind = _TYPES[self.tags[row].kind]
        when = int(self._time[row])
        if value is None or quality >= Quality.BAD or value != value:
            variant = ua.Variant(None, ua.VariantType.Null)
        else:
            variant = ua.Variant(bool(value) if kind == ua.VariantType.Boolean else value, kind)
        return ua.DataValue(
            variant,
            StatusCode=ua.StatusCode(ua.UInt32(to_status(quality))),
            SourceTimestamp=_moment(when) if when else None,
            ServerTimestamp=_now(),
        )

    def _folder(self, path: str) -> NodeData:
        """The folder of an asset, its parents made as needed. `asset/` never meets a tag's name."""
        node = self._id(f"{path}/")
        if path in self._folders:
            return self.store[node]
        above, _, name = path.rpartition("/")
        parent = self._folder(above) if above else self.store[_node("i=85")]
        self._folders.add(path)
        made = NodeData(node)
        _set(made, ua.AttributeIds.EventNotifier, 0, ua.VariantType.Byte)
        self._name(made, name, name, "", ua.NodeClass.Object)
        self._join(parent, made, name, name, ORGANIZES, FOLDER, ua.NodeClass.Object)
        return made

    def _variable(self, tag: Tag, parent: NodeData) -> NodeData:
        made = NodeData(self._id(tag.name))
        analog = tag.kind == "number" and bool(tag.unit or tag.low is not None)
        ranged = tag.low is not None and tag.high is not None
        kind = VARIABLE if not analog else ANALOG if ranged else BASE_ANALOG
        self._name(made, tag.property, tag.property, tag.title, ua.NodeClass.Variable)
        level = _READ | (_WRITE if tag.writable else 0)
        self._variable_facts(made, _TYPES[tag.kind], level, tag.period_s * 1000)
        _set(made, ua.AttributeIds.Value, None, ua.VariantType.Null)
        self._join(parent, made, tag.property, tag.property, ORGANIZES, kind, ua.NodeClass.Variable)
        if analog:
            self._properties(made, tag, ranged)
        return made

    def _properties(self, node: NodeData, tag: Tag, ranged: bool) -> None:
        """OPC 10000-8, 5.3.2.3: unit and normal range of an analog item."""
        if ranged:
            low, high = float(tag.low or 0.0), float(tag.high or 0.0)
            self._property(node, tag, "EURange", ua.Range(Low=low, High=high), RANGE)
        number = unit_id(tag.unit)
        if tag.unit:
            told = ua.EUInformation(
                NamespaceUri=NAMESPACE,
                UnitId=-1 if number is None else number,
                DisplayName=ua.LocalizedText(tag.unit),
                Description=ua.LocalizedText(f"UCUM {tag.unit}"),
            )
            self._property(node, tag, "EngineeringUnits", told, EU_INFORMATION)

    def _property(self, node: NodeData, tag: Tag, name: str, value: object, kind: str) -> None:
        made = NodeData(self._id(f"{tag.name}/{name}"))
        self._name(made, name, name, "", ua.NodeClass.Variable, 0)
        self._variable_facts(made, None, _READ, 0.0, kind)
        _set(made, ua.AttributeIds.Value, value, ua.VariantType.ExtensionObject)
        self._join(node, made, name, name, HAS_PROPERTY, PROPERTY, ua.NodeClass.Variable, 0)

    def _variable_facts(
        self, node: NodeData, kind: ua.VariantType | None, level: int, period: float, of: str = ""
    ) -> None:
        data_type = _node(of or f"i={kind.value if kind else 24}")
        _set(node, ua.AttributeIds.DataType, data_type, ua.VariantType.NodeId)
        _set(node, ua.AttributeIds.ValueRank, -1, ua.VariantType.Int32)
        _set(node, ua.AttributeIds.AccessLevel, level, ua.VariantType.Byte)
        _set(node, ua.AttributeIds.UserAccessLevel, level, ua.VariantType.Byte)
        _set(node, ua.AttributeIds.MinimumSamplingInterval, period, ua.VariantType.Double)
        _set(node, ua.AttributeIds.Historizing, False, ua.VariantType.Boolean)

    def _name(
        self, node: NodeData, name: str, shown: str, title: str, kind: ua.NodeClass,
        space: int | None = None,
    ) -> None:  # fmt: skip
        browse = ua.QualifiedName(name, self.index if space is None else space)
        _set(node, ua.AttributeIds.NodeId, node.nodeid, ua.VariantType.NodeId)
        _set(node, ua.AttributeIds.NodeClass, kind, ua.VariantType.Int32)
        _set(node, ua.AttributeIds.BrowseName, browse, ua.VariantType.QualifiedName)
        shown_text = ua.LocalizedText(shown)
        _set(node, ua.AttributeIds.DisplayName, shown_text, ua.VariantType.LocalizedText)
        described = ua.LocalizedText(title or None)
        _set(node, ua.AttributeIds.Description, described, ua.VariantType.LocalizedText)
        _set(node, ua.AttributeIds.WriteMask, 0, ua.VariantType.UInt32)
        _set(node, ua.AttributeIds.UserWriteMask, 0, ua.VariantType.UInt32)
        self.store[node.nodeid] = node

    def _join(
        self, parent: NodeData, node: NodeData, name: str, shown: str, by: str, kind: str,
        node_class: ua.NodeClass, space: int | None = None,
    ) -> None:  # fmt: skip
        browse = ua.QualifiedName(name, self.index if space is None else space)
        parent.references.append(
            _reference(by, node.nodeid, browse, shown, node_class, kind, forward=True)
        )
        node.references.append(
            _reference(by, parent.nodeid, browse, "", ua.NodeClass.Object, "i=0", forward=False)
        )
        node.references.append(
            _reference(HAS_TYPE, _node(kind), browse, "", ua.NodeClass.Unspecified, "i=0", True)
        )

    def _id(self, name: str) -> ua.NodeId:
        return ua.NodeId(ua.String(name), ua.Int16(self.index))


def _moment(time: int) -> ua.DateTime:
    return _EPOCH + timedelta(microseconds=time // 1000)  # type: ignore[return-value] # a datetime


def _now() -> ua.DateTime:
    return datetime.now(UTC)  # type: ignore[return-value] # DateTime is a datetime to asyncua


def _reference(
    by: str, target: ua.NodeId, browse: ua.QualifiedName, shown: str, node_class: ua.NodeClass,
    kind: str, forward: bool,
) -> ua.ReferenceDescription:  # fmt: skip
    return ua.ReferenceDescription(
        ReferenceTypeId=_node(by), IsForward=forward, NodeId=target, BrowseName=browse,
        DisplayName=ua.LocalizedText(shown or None), NodeClass=node_class,
        TypeDefinition=_node(kind),
    )  # fmt: skip


def _set(node: NodeData, attribute: ua.AttributeIds, value: object, kind: ua.VariantType) -> None:
    node.attributes[attribute] = AttributeValue(ua.DataValue(ua.Variant(value, kind)))


@lru_cache(maxsize=64)
def _node(text: str) -> ua.NodeId:
    return ua.NodeId.from_string(text)
