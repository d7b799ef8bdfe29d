"""What a server has: one level at a time, or a whole subtree, paged so that nobody freezes.

Answers are read in slices; between two slices the event loop runs.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence

from asyncua import ua

from baotu.sdk import Found, Refused

from .address import parse
from .answers import PageEnd, Reference, decode_values, references
from .engineering import ANALOG, units_of
from .link import Link
from .status import reaching, refused
from .values import kind_of

OBJECTS = "i=85"
PAGE = 1000  # references of a node in one answer, where the server obeys
SLICE = 500  # references or nodes handled before the loop gets its turn
OBJECT, VARIABLE, VIEW = 1, 2, 128
HAS_PROPERTY, HAS_SUBTYPE = "i=46", "i=45"
_FACTS = (ua.AttributeIds.DataType, ua.AttributeIds.UserAccessLevel, ua.AttributeIds.ValueRank)
_UNKNOWN = (None,) * len(_FACTS)
CURRENT_WRITE = 2  # bit of AccessLevel (OPC 10000-3, 8.57)
# Variable types whose instances have properties only: not worth a request each
_LEAVES = frozenset(("i=63", "i=68", "i=2365", "i=2368", "i=2373", "i=2376", "i=2377", "i=17497"))
_SERVER = "i=2253"  # the server's own diagnostics are no plant


async def children(link: Link, nodes: Sequence[str]) -> list[list[Reference]]:
    """What lies under each of these nodes, all pages. Raises Refused for an unknown node."""
    found: list[list[Reference]] = [[] for _ in nodes]
    request: ua.BrowseRequest | ua.BrowseNextRequest = _browse(link, nodes)
    places = list(range(len(nodes)))
    while True:
        ends: list[PageEnd] = []
        with reaching(link.where, "browsing"):
            for count, one in enumerate(references(await link.ask(request))):
                if isinstance(one, PageEnd):
                    ends.append(one)
                elif one.type not in (HAS_PROPERTY, HAS_SUBTYPE):
                    found[places[one.node]].append(one)
                if count % SLICE == SLICE - 1:
                    await asyncio.sleep(0)
            for end in ends:
                if end.status >> 31:
                    raise refused(end.status, f"{link.where}: browsing {nodes[places[end.node]]}")
        more = [end for end in ends if end.more]
        if not more:
            return found
        places = [places[end.node] for end in more]
        request = ua.BrowseNextRequest()
        request.Parameters.ReleaseContinuationPoints = False
        request.Parameters.ContinuationPoints = [end.more for end in more]


def _browse(link: Link, nodes: Sequence[str]) -> ua.BrowseRequest:
    request = ua.BrowseRequest()
    asked = request.Parameters
    asked.View = ua.ViewDescription()
    asked.RequestedMaxReferencesPerNode = PAGE
    for node in nodes:
        one = ua.BrowseDescription()
        one.NodeId = parse(node).node_id(link.namespaces, whole=True)
        one.BrowseDirection = ua.BrowseDirection.Forward
        one.ReferenceTypeId = ua.NodeId.from_string("i=33")  # HierarchicalReferences
        one.IncludeSubtypes = True
        one.NodeClassMask = OBJECT | VARIABLE | VIEW
        one.ResultMask = ua.BrowseResultMask.All
        asked.NodesToBrowse.append(one)
    return request


async def level(link: Link, under: str) -> list[Found]:
    """One level: folders, objects and variables directly under a node ("" is Objects)."""
    node = under or OBJECTS
    found = (await children(link, [node]))[0]
    seen: dict[str, Reference] = {}
    for one in found:
        seen.setdefault(one.target, one)
    return await described(link, [(one, ()) for one in seen.values()])


async def described(link: Link, met: Sequence[tuple[Reference, tuple[str, ...]]]) -> list[Found]:
    """Kind and writability of variables, read in batches."""
    variables = [one.target for one, _ in met if one.node_class == VARIABLE]
    facts: dict[str, tuple[object, ...]] = {}
    size = max(1, min(link.limits.read, SLICE) // len(_FACTS))
    for start in range(0, len(variables), size):
        batch = variables[start : start + size]
        request = ua.ReadRequest()
        for node in batch:
            place = parse(node).node_id(link.namespaces, whole=True)
            for attribute in _FACTS:
                request.Parameters.NodesToRead.append(
                    ua.ReadValueId(NodeId=place, AttributeId=attribute)
                )
        with reaching(link.where, "reading what variables are"):
            values = [value for value, _ in decode_values(await link.ask(request))]
            facts.update(zip(batch, zip(*[iter(values)] * len(_FACTS), strict=True), strict=True))
        await asyncio.sleep(0)
    units = await units_of(link, [one.target for one, _ in met if one.definition in ANALOG])
    return [
        _found(one, path, units.get(one.target, ""), *facts.get(one.target, _UNKNOWN))
        for one, path in met
    ]


def _found(
    one: Reference, path: tuple[str, ...], unit: str, data_type: object, access: object,
    rank: object,
) -> Found:  # fmt: skip
    """An array is offered as a text; its elements have addresses of their own, `…[0]`."""
    variable = one.node_class == VARIABLE
    kind = kind_of(data_type) if isinstance(data_type, str) else "number"
    array = isinstance(rank, int) and rank >= 0
    return Found(
        address=one.target,
        name=one.name,
        kind="text" if array else kind,
        unit=unit,
        writable=variable and isinstance(access, int) and bool(access & CURRENT_WRITE),
        has_children=not variable,
        path=path,
    )


async def variables(link: Link, start: str, most: int) -> AsyncIterator[list[Found]]:
    """All variables below a node, in batches of bounded size; `path` tells the folders between.

    Breadth first; a node that is reached twice is told once. Ends after `most` variables.
    """
    waiting: deque[tuple[str, tuple[str, ...]]] = deque([(start, ())])
    seen, count = {start}, 0
    while waiting and count < most:
        batch = [waiting.popleft() for _ in range(min(len(waiting), link.limits.browse))]
        met: list[tuple[Reference, tuple[str, ...]]] = []
        for (_, path), under in zip(batch, await _levels(link, batch), strict=True):
            for looked, one in enumerate(under, 1):
                if looked % SLICE == 0:
                    await asyncio.sleep(0)
                if one.target in seen or one.target == _SERVER:
                    continue
                seen.add(one.target)
                if one.node_class != VARIABLE or one.definition not in _LEAVES:
                    waiting.append((one.target, (*path, one.name)))
                if one.node_class == VARIABLE:
                    met.append((one, path))
        for begin in range(0, len(met), SLICE):
            part = met[begin : begin + SLICE][: most - count]
            if part:
                count += len(part)
                yield await described(link, part)


async def _levels(link: Link, batch: list[tuple[str, tuple[str, ...]]]) -> list[list[Reference]]:
    """A node that cannot be browsed is empty, the others go on."""
    nodes = [node for node, _ in batch]
    try:
        return await children(link, nodes)
    except Refused:
        if len(nodes) == 1:
            return [[]]
        return [(await _levels(link, [one]))[0] for one in batch]
