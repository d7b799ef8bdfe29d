"""The section `[policy]` of a node's configuration."""

from __future__ import annotations

from dataclasses import dataclass

from baotu.sdk import setting


@dataclass(frozen=True, kw_only=True)
class PolicySettings:
    second_officer: bool = setting(
        False,
        title="策略须由第二位安全管理员生效 A second security officer puts policies in force",
    )
