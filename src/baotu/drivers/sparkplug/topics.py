"""Sparkplug's words on the wire: topics, addresses of tags, and the host's STATE message."""

from __future__ import annotations

import json
from typing import NamedTuple

from baotu.sdk import ConfigError, Tag

NAMESPACE = "spBv1.0"
NODE_VERBS = ("NBIRTH", "NDATA", "NDEATH")
DEVICE_VERBS = ("DBIRTH", "DDATA", "DDEATH")
REBIRTH = "Node Control/Rebirth"
BDSEQ = "bdSeq"
ADDRESS_HELP = (
    "group/node/device/metric，或 or group/node//metric（节点自身的指标 a metric of the node itself）；"
    "例 e.g. plant/press-line/press3/Inputs/temperature"
)


class Scope(NamedTuple):
    """Who a metric belongs to: an edge node (device "") or one of its devices."""

    group: str
    node: str
    device: str = ""

    @property
    def owner(self) -> Scope:
        return Scope(self.group, self.node) if self.device else self

    @property
    def prefix(self) -> str:
        return f"{self.group}/{self.node}/{self.device}/"

    def __str__(self) -> str:
        return "/".join(part for part in (self.group, self.node, self.device) if part)

    def topic(self, verb: str) -> str:
        """verb without its N or D: BIRTH, DATA, DEATH, CMD."""
        kind = "D" if self.device else "N"
        tail = f"/{self.device}" if self.device else ""
        return f"{NAMESPACE}/{self.group}/{kind}{verb}/{self.node}{tail}"


def parse_address(tag: Tag) -> tuple[Scope, str]:
    """(scope, metric name). Raises ConfigError naming the tag and what is right."""
    parts = tag.address.split("/", 3)
    if len(parts) < 4 or not (parts[0] and parts[1] and parts[3]):
        raise ConfigError(
            f"address {tag.address!r} of tag {tag.name} is not group/node/device/metric",
            hint="leave the device empty for a metric of the node itself: group/node//metric",
        )
    return Scope(parts[0], parts[1], parts[2]), parts[3]


def parse_topic(topic: str) -> tuple[str, Scope] | None:
    """(verb, scope) of a message from an edge node; None when it is something else."""
    parts = topic.split("/")
    if parts[0] != NAMESPACE:
        return None
    if len(parts) == 4 and parts[2] in (*NODE_VERBS, "NCMD"):
        return parts[2], Scope(parts[1], parts[3])
    if len(parts) == 5 and parts[2] in (*DEVICE_VERBS, "DCMD"):
        return parts[2], Scope(parts[1], parts[3], parts[4])
    return None


def subscriptions(groups: list[str]) -> list[str]:
    """What a host listens to; no groups: all of them."""
    chosen = sorted(set(groups)) or ["+"]
    return [
        *(f"{NAMESPACE}/{group}/{verb}/+" for group in chosen for verb in NODE_VERBS),
        *(f"{NAMESPACE}/{group}/{verb}/+/+" for group in chosen for verb in DEVICE_VERBS),
    ]


def state_topic(host_id: str) -> str:
    return f"{NAMESPACE}/STATE/{host_id}"


def state_payload(online: bool, timestamp_ms: int) -> bytes:
    return json.dumps({"online": online, "timestamp": timestamp_ms}).encode()


def parse_state(payload: bytes) -> tuple[bool, int] | None:
    """(online, timestamp ms); None when it is no STATE message of Sparkplug 3.0."""
    try:
        told = json.loads(payload)
        return bool(told["online"]), int(told["timestamp"])
    except (ValueError, KeyError, TypeError):
        return None
