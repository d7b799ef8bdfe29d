"""Names of enumeration values: EnumStrings and EnumValues of a variable's data type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from asyncua import ua

from .address import Address
from .answers import Reference, decode_values, references
from .link import Link
from .status import reaching

BUILT_IN = 25  # data types of namespace 0 up to this are no enumerations
HAS_PROPERTY = "i=46"


async def enum_names(link: Link, addresses: Sequence[Address]) -> list[Mapping[int, str]]:
    """For each variable the names of its values, empty when it is no enumeration."""
    types: list[str] = []
    for start in range(0, len(addresses), link.limits.read):
        request = ua.ReadRequest()
        for address in addresses[start : start + link.limits.read]:
            node = _node(link, address)
            request.Parameters.NodesToRead.append(
                ua.ReadValueId(NodeId=node, AttributeId=ua.AttributeIds.DataType)
            )
        with reaching(link.where, "reading data types"):
            answer = decode_values(await link.ask(request))
            for _, (value, _) in zip(request.Parameters.NodesToRead, answer, strict=True):
                types.append(value if isinstance(value, str) else "i=0")
    names = {one: await _of_type(link, one) for one in set(types) if not _built_in(one)}
    return [names.get(one, {}) for one in types]


def _node(link: Link, address: Address) -> ua.NodeId:
    try:
        return address.node_id(link.namespaces)
    except ValueError:  # a namespace this server has not; the item will be refused
        return ua.NodeId()


def _built_in(data_type: str) -> bool:
    return data_type.startswith("i=") and int(data_type[2:]) <= BUILT_IN


async def _of_type(link: Link, data_type: str) -> Mapping[int, str]:
    request = ua.BrowseRequest()
    one = ua.BrowseDescription()
    one.NodeId = ua.NodeId.from_string(data_type)
    one.BrowseDirection = ua.BrowseDirection.Forward
    one.ReferenceTypeId = ua.NodeId.from_string(HAS_PROPERTY)
    one.ResultMask = ua.BrowseResultMask.All
    request.Parameters.View = ua.ViewDescription()
    request.Parameters.NodesToBrowse = [one]
    found = [r for r in references(await link.ask(request)) if isinstance(r, Reference)]
    for reference in found:
        if reference.name in ("EnumStrings", "EnumValues"):
            return await _read(link, reference.target)
    return {}


async def _read(link: Link, node: str) -> Mapping[int, str]:
    """EnumStrings: LocalizedText by position; EnumValues: EnumValueType (OPC 10000-3, 8.14)."""
    with reaching(link.where, "reading names of an enumeration"):
        answer = await link.client.uaclient.session.read_attributes(
            [ua.NodeId.from_string(node)], ua.AttributeIds.Value
        )
        value = answer[0].Value.Value if answer[0].Value is not None else None
    names: dict[int, str] = {}
    for place, one in enumerate(value if isinstance(value, list) else []):
        if isinstance(one, ua.LocalizedText):
            names[place] = one.Text or ""
        elif isinstance(one, ua.EnumValueType):
            names[int(one.Value)] = one.DisplayName.Text or ""
    return names
