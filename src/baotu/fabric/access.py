"""Which node may say what, as Zenoh's access control: by the name in its certificate.

Everything is denied but what `message` describes, and of that only an edge's own part: no edge can
speak, or be spoken to, in the name of another one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .message import ASKED, ORDERED, TOLD, key

Rule = dict[str, object]


def access(hub: str, nodes: Iterable[str]) -> dict[str, object]:
    """The `access_control` section for a hub that these nodes may link to."""
    rules: list[Rule] = []
    subjects: list[dict[str, object]] = []
    policies: list[dict[str, object]] = []
    for node in sorted(nodes):
        own = _rules(hub, node)
        rules += own
        subjects.append({"id": node, "cert_common_names": [node]})
        policies.append({"rules": [rule["id"] for rule in own], "subjects": [node]})
    return {
        "enabled": True,
        "default_permission": "deny",
        "rules": rules,
        "subjects": subjects,
        "policies": policies,
    }


def _rules(hub: str, node: str) -> list[Rule]:
    asks = [key(hub, word, node) for word in ASKED]
    tells = [key(hub, word, node) for word in TOLD]
    offered = [key(hub, word, "*") for word in (*ASKED, *TOLD)]
    takes = [key(node, word) for word in ORDERED]
    return [
        _rule(node, "asks", "ingress", ["query"], asks),
        _rule(node, "answered", "egress", ["reply"], asks),
        _rule(node, "tells", "ingress", ["put"], tells),
        _rule(node, "sees", "egress", ["declare_queryable", "declare_subscriber"], offered),
        _rule(node, "asked", "egress", ["query"], takes),
        _rule(node, "answers", "ingress", ["declare_queryable", "reply"], takes),
    ]


def _rule(node: str, what: str, flow: str, messages: Sequence[str], keys: Sequence[str]) -> Rule:
    return {
        "id": f"{node}-{what}",
        "permission": "allow",
        "flows": [flow],
        "messages": list(messages),
        "key_exprs": list(keys),
    }
