"""What an edge may bring: tags on assets that policy lets its organisation bring.

An edge says of which assets its tags are. So it might speak of a machine of another firm: each asset
is decided on before the tag table is taken over. What is refused stays out, the rest goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from baotu.assets import PlantModel
from baotu.sdk import Caller, Resource, Tag
from baotu.sdk.tags import Tags
from baotu.sdk.trust import Policy
from baotu.trust.devices.nodes import Known

ACTION = "tags.bring"
MOST_NAMED = 5
Note = Callable[[Caller, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Of one tag table. assets: those that its edge may not bring tags on."""

    tags: int
    assets: tuple[str, ...]
    why: str


class Bringing:
    """own: the name of this node, which may bring what its configuration says. nodes: the register;
    an edge that is not in it links from this machine, and is of the house. note: into the audit."""

    def __init__(
        self, plant: PlantModel, policy: Policy, *, own: str, house: str, note: Note,
        nodes: Callable[[], Mapping[str, Known]],
    ) -> None:  # fmt: skip
        self._plant, self._policy, self._own, self._house = plant, policy, own, house
        self._note, self._nodes = note, nodes
        self.refused: dict[str, Refused] = {}
        self._version = policy.version()

    def adopt(self, edge: str, tags: Tags) -> np.ndarray:
        """See `TagTable.adopt`; -1 for a tag that is refused."""
        if edge == self._own:
            return self._plant.adopt(edge, tags)
        caller, tags = self.caller(edge), Tags.of(tags)
        wrong: dict[str, str] = {}
        known = self._policy.visible(caller, ACTION, "asset")  # at once; one by one what is new

        def may(asset: str) -> bool:
            if known is not None and asset in known:
                return True
            if why := self._why_not(caller, asset):
                wrong[asset] = why
            return not why

        fit = tags.mask("asset", may)
        self._tell(caller, tags, fit, wrong)
        return self._plant.adopt(edge, tags if fit.all() else tags.pick(fit))

    def caller(self, edge: str) -> Caller:
        known = self._nodes().get(edge)
        organisation = known.organisation if known is not None else self._house
        return Caller(edge, organisation, frozenset((ACTION,)), kind="node")

    def again(self) -> list[str]:
        """Edges of which a refused asset is let in now: their tables shall be adopted anew."""
        version = self._policy.version()
        if version == self._version or not self.refused:
            return []
        self._version = version
        return [
            edge
            for edge, refused in self.refused.items()
            if any(not self._why_not(self.caller(edge), a) for a in refused.assets[:100])
        ]

    def _why_not(self, caller: Caller, asset: str) -> str:
        resource = Resource("asset", asset, self._house)  # whose an asset is that nobody declared
        found = self._policy.judge(caller, ACTION, resource)
        return "" if found.allowed else found.why

    def _tell(self, caller: Caller, tags: Tags, fit: np.ndarray, wrong: Mapping[str, str]) -> None:
        if not wrong:
            self.refused.pop(caller.name, None)
            return
        out: list[Tag] = list(tags.pick(np.flatnonzero(~fit)[:MOST_NAMED]))
        why = next(iter(wrong.values()))
        count = int((~fit).sum())
        more = ", …" if count > len(out) else ""
        names = ", ".join(tag.name for tag in out) + more
        self.refused[caller.name] = Refused(tags=count, assets=tuple(sorted(wrong)), why=why)
        self._note(caller, f"{count} 个位号被拒 tags refused: {names}: {why}")
