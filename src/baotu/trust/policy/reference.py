"""docs/reference/policy.md, made from the program: actions, entities, the base policies."""

from __future__ import annotations

from .engine import base_text
from .model import CONTEXT, HOUSE_ACTIONS, KINDS, LIES_IN, PRINCIPALS, Catalogue


def page() -> str:
    """`python -m baotu.trust.policy.reference > docs/reference/policy.md`"""
    catalogue = Catalogue.of()
    actions = [
        f"| `{name}` | {', '.join(duties)} | {'✓' if name in HOUSE_ACTIONS else ''} | "
        f"{catalogue.titles[name]} |"
        for name, duties in sorted(catalogue.duties.items())
    ]
    kinds = [
        f"| `{kind}` | `{type}` | {', '.join(LIES_IN.get(type, ('Organisation',)))} |"
        for kind, type in KINDS.items()
    ]
    askers = [f"| {kind} | `{type}` |" for kind, type in PRINCIPALS.items()]
    return "\n".join(
        (
            "# 策略参考 Policy reference",
            "",
            "由程序生成 Made from the program: `python -m baotu.trust.policy.reference`. "
            "说明 Explained: [中文](../understand/policy.zh.md), [English](../understand/policy.md).",
            "",
            "## 动作 Actions",
            "",
            "平台自己的动作；应用的动作在各应用处声明。 Those of the platform itself; apps declare their "
            "own. 节点 Node: 只归运营本节点的组织 only for the organisation that runs the node.",
            "",
            "| action | duty | 节点 Node | 说明 Meaning |",
            "|---|---|---|---|",
            *actions,
            "",
            "## 谁 Who asks",
            "",
            "| kind | type |",
            "|---|---|",
            *askers,
            "",
            "## 资源 Resources",
            "",
            "| kind | type | 处于 lies in |",
            "|---|---|---|",
            *kinds,
            "",
            f"`context`: {', '.join(f'`{line}`' for line in CONTEXT)}.",
            "",
            "## 模式 Schema",
            "",
            "```text",
            catalogue.schema().rstrip(),
            "```",
            "",
            "## 基础策略 Base policies",
            "",
            "```cedar",
            base_text().rstrip(),
            "```",
            "",
        )
    )


if __name__ == "__main__":
    import sys

    sys.stdout.write(page())
