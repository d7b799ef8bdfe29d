"""Writing one value: as the node's type wants it, and read back."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from asyncua import ua

from baotu.sdk import Refused, Tag

from .address import parse_tag
from .link import Link
from .status import reaching, refused
from .values import coerced, plain

TRIES = 4  # reads until the server shows what was written
PAUSE_S = 0.05


async def write_value(
    link: Link, tag: Tag, value: float | str, whole: bool, names: Mapping[int, str]
) -> float | str:
    """What the server shows afterwards. Raises Refused, Unreachable, Invalid."""
    address = parse_tag(tag)
    try:
        node = address.node_id(link.namespaces, whole)
    except ValueError as error:
        raise Refused(f"{tag.address}: the server has no namespace {address.uri!r}") from error
    index = "" if whole else address.index
    kind, dimensions = await _type(link, node, index, tag.address)
    made = coerced(value, kind, names)
    variant = ua.Variant([made] if index else made, kind)
    if index and dimensions:
        variant = ua.Variant(_nested(made, dimensions), kind)
    request = ua.WriteRequest()
    request.Parameters.NodesToWrite = [
        ua.WriteValue(
            NodeId=node, AttributeId=ua.AttributeIds.Value, IndexRange=index or None,
            Value=ua.DataValue(variant),
        )
    ]  # fmt: skip
    with reaching(link.where, f"writing {tag.address}"):
        code = int((await link.client.uaclient.session.write(request.Parameters))[0].value)
    if code >> 31:
        raise refused(code, f"{link.where}: writing {tag.address}")
    return await _read_back(link, node, index, plain(made), tag.address, names, tag.kind == "text")


async def _type(link: Link, node: ua.NodeId, index: str, shown: str) -> tuple[ua.VariantType, int]:
    """(the type of the present value, or of the node when it has none; dimensions beyond one)."""
    request = ua.ReadParameters()
    request.NodesToRead = [
        ua.ReadValueId(NodeId=node, AttributeId=ua.AttributeIds.Value, IndexRange=index or None),
        ua.ReadValueId(NodeId=node, AttributeId=ua.AttributeIds.DataType),
    ]
    with reaching(link.where, f"reading {shown}"):
        value, data_type = await link.client.uaclient.session.read(request)
    code = int(data_type.StatusCode.value) if data_type.StatusCode is not None else 0
    if code >> 31:
        raise refused(code, f"{link.where}: {shown}")
    if value.Value is not None and value.Value.VariantType != ua.VariantType.Null:
        if isinstance(value.Value.Value, list) and not index:
            raise Refused(f"{shown} is an array: write one element, {shown}[0]")
        return value.Value.VariantType, index.count(",")
    number = data_type.Value.Value.Identifier if data_type.Value is not None else None
    space = data_type.Value.Value.NamespaceIndex if data_type.Value is not None else 1
    if space == 0 and isinstance(number, int) and 1 <= number <= 21:
        return ua.VariantType(number), index.count(",")
    raise Refused(f"{shown} has no value yet, and its type does not tell how to write one")


def _nested(value: object, dimensions: int) -> list[object]:
    found: list[object] = [value]
    for _ in range(dimensions):
        found = [found]
    return found


async def _read_back(
    link: Link, node: ua.NodeId, index: str, wanted: float | str | None, shown: str,
    names: Mapping[int, str], text: bool,
) -> float | str:  # fmt: skip
    request = ua.ReadParameters()
    request.NodesToRead = [
        ua.ReadValueId(NodeId=node, AttributeId=ua.AttributeIds.Value, IndexRange=index or None)
    ]
    found: float | str | None = None
    for turn in range(TRIES):
        if turn:
            await asyncio.sleep(PAUSE_S)  # some servers pass a write on to a controller first
        with reaching(link.where, f"reading {shown} back"):
            answer = (await link.client.uaclient.session.read(request))[0]
        code = int(answer.StatusCode.value) if answer.StatusCode is not None else 0
        if code >> 31:
            raise refused(code, f"{link.where}: {shown} was written, but reading it back")
        found = plain(answer.Value.Value) if answer.Value is not None else None
        if found == wanted:
            break
    if found is None:
        raise Refused(f"{link.where}: {shown} was written, but shows no value")
    if text and isinstance(found, float):
        return names.get(int(found), f"{found:.17g}")
    return found
