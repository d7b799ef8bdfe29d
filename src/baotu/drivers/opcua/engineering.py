"""Engineering units of analog variables: the property EngineeringUnits (OPC 10000-8, 5.6.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from asyncua import ua

from .address import parse
from .link import Link
from .status import reaching
from .units import ucum_of

# Variable types that may have units: AnalogItem, BaseAnalog, AnalogUnit, AnalogUnitRange
ANALOG = frozenset(("i=2368", "i=15318", "i=17497", "i=17570"))
BATCH = 100
_HAS_PROPERTY = "i=46"


async def units_of(link: Link, nodes: Sequence[str]) -> Mapping[str, str]:
    """UCUM codes by address, of those that have a unit we know."""
    found: dict[str, str] = {}
    size = min(BATCH, link.limits.read)
    for start in range(0, len(nodes), size):
        found.update(await _batch(link, nodes[start : start + size]))
    return found


async def _batch(link: Link, nodes: Sequence[str]) -> dict[str, str]:
    session = link.client.uaclient.session
    with reaching(link.where, "looking for units"):
        results = await session.translate_browsepaths_to_nodeids([_path(link, n) for n in nodes])
        told = [
            (node, result.Targets[0].TargetId)
            for node, result in zip(nodes, results, strict=True)
            if result.StatusCode.is_good() and result.Targets
        ]
        if not told:
            return {}
        values = await session.read_attributes([one for _, one in told], ua.AttributeIds.Value)
        return {
            node: unit
            for (node, _), value in zip(told, values, strict=True)
            if (unit := _unit(value.Value.Value if value.Value is not None else None))
        }


def _path(link: Link, node: str) -> ua.BrowsePath:
    step = ua.RelativePathElement()
    step.ReferenceTypeId = ua.NodeId.from_string(_HAS_PROPERTY)
    step.IsInverse, step.IncludeSubtypes = False, True  # type: ignore[assignment] # bools
    step.TargetName = ua.QualifiedName("EngineeringUnits", 0)
    start = parse(node).node_id(link.namespaces, whole=True)
    return ua.BrowsePath(StartingNode=start, RelativePath=ua.RelativePath(Elements=[step]))


def _unit(value: object) -> str:
    return ucum_of(int(value.UnitId)) if isinstance(value, ua.EUInformation) else ""
