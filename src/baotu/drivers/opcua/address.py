"""Addresses of OPC UA tags: a node id as text, with an index where one element of an array is meant.

`ns=2;s=Pump.Speed`, `i=2258`, `nsu=urn:plant;s=Pump`, `ns=2;s=Curve[3]`, `ns=2;s=Matrix[1,2]`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from asyncua import ua

from baotu.sdk import ConfigError, Tag

HELP = (
    "节点标识，数组元素加下标 A node id, an array element with its index: "
    "ns=2;s=Pump.Speed · ns=3;i=1001 · nsu=urn:plant;s=Pump · ns=2;s=Curve[3]"
)
_NODE = re.compile(r"(?:ns=(\d+);|nsu=([^;]+);)?([isgb])=(.+)", re.DOTALL)
_INDEX = re.compile(r"(.+?)\[(\d+(?:,\d+)*)\]", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Address:
    """node: `ns=…;s=…` without index. uri: the namespace as written, if it was. index: `3`, `1,2`.

    whole: the same with the brackets as part of the name, which some servers use as node ids.
    """

    node: str
    uri: str = ""
    index: str = ""

    @property
    def whole(self) -> str:
        return f"{self.node}[{self.index}]" if self.index else self.node

    def node_id(self, namespaces: list[str], whole: bool = False) -> ua.NodeId:
        """Raises ValueError when the server has no such namespace or the id is impossible."""
        text = self.whole if whole else self.node
        if self.uri:
            text = f"ns={namespaces.index(self.uri)};{text}"
        return ua.NodeId.from_string(text)


def parse(text: str, tag: str = "") -> Address:
    """Raises ConfigError, naming the tag, for what is no address."""
    index = ""
    found = _INDEX.fullmatch(text)
    if found and not text.startswith("b="):
        text, index = found[1], found[2]
    node = _NODE.fullmatch(text)
    if node is None or (node[3] == "i" and not node[4].isdigit()):
        raise ConfigError(f"{text!r} is not the address of a node", tag, HELP)
    space, uri, kind, word = node.groups()
    if uri:
        return Address(f"{kind}={word}", uri, index)
    plain = f"{kind}={word}" if space in (None, "0") else f"ns={space};{kind}={word}"
    try:
        ua.NodeId.from_string(plain)
    except (ValueError, ua.UaError) as error:
        raise ConfigError(f"{text!r} is not the address of a node", tag, HELP) from error
    return Address(plain, "", index)


def parse_tag(tag: Tag) -> Address:
    return parse(tag.address, f"{tag.device}: {tag.name}")
