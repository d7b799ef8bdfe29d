"""Which writes of outside clients a server passes on at all: by tag, by source, by who is named.

Decides nothing more: the hub asks the policy. What is refused here is told there, for the audit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from ipaddress import IPv6Address, ip_address, ip_network

from baotu.sdk import ConfigError, Tag
from baotu.sdk.writing import Peer


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """writes_as: whose writes those are that nobody signed in for; empty: such are refused.
    write_from: addresses and networks that may be their source. write_tags: patterns (`*`, `?`) of
    names that may be written; () means every one for who signed in, and none for others."""

    writes_as: str = ""
    write_from: tuple[str, ...] = ()
    write_tags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for text in self.write_from:
            try:
                ip_network(text, strict=False)
            except ValueError:
                raise ConfigError(
                    f"{text!r} is no address", "write_from", 'write "fd00::7" or "fd00:1::/64"'
                ) from None
        if self.writes_as and not self.write_tags:
            raise ConfigError(
                "writes_as without write_tags writes nothing",
                "write_tags", 'name the tags: write_tags = ["jinan/foundry/pump-1/*"]',
            )  # fmt: skip

    def refusal(self, tag: Tag, peer: Peer) -> str:
        """Why this write is not passed on; empty when the hub is to decide."""
        listed = any(fnmatchcase(tag.name, pattern) for pattern in self.write_tags)
        if self.write_tags and not listed:
            return f"{tag.name} is not among the write_tags of this server"
        if peer.ticket:
            return ""
        if not self.writes_as:
            return (
                f"{peer.name} may not write: it has not said who it is; sign in, or see writes_as"
            )
        if peer.source and not among(peer.source, self.write_from):
            return f"{peer.source} is not among the addresses in write_from of this server"
        return ""


def among(source: str, places: Sequence[str]) -> bool:
    try:
        address = ip_address(source.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped  # a socket of both families tells it so: RFC 4291 2.5.5.2
    return any(address in ip_network(place, strict=False) for place in places)
