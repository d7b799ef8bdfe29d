"""What differs between two configurations: what to start, stop, change, and what to leave alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from baotu.sdk import ConfigError, PolledDriver

from .spec import DeviceSpec, ServerSpec

Spec = TypeVar("Spec", DeviceSpec, ServerSpec)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference(Generic[Spec]):
    """Names. renew: must be stopped and started; retag: the same connection reads other tags."""

    start: tuple[str, ...] = ()
    stop: tuple[str, ...] = ()
    renew: tuple[str, ...] = ()
    retag: tuple[str, ...] = ()

    def lines(self, what: str) -> list[str]:
        words = (("start", "启动"), ("stop", "停止"), ("renew", "重启"), ("retag", "改位号"))
        return [f"{zh} {verb} {what}/{n}" for verb, zh in words for n in getattr(self, verb)]


def difference(before: Mapping[str, Spec], after: Mapping[str, Spec]) -> Difference[Spec]:
    both = [name for name in after if name in before and before[name] != after[name]]
    retag = tuple(name for name in both if only_tags(before[name], after[name]))
    return Difference(
        start=tuple(name for name in after if name not in before),
        stop=tuple(name for name in before if name not in after),
        renew=tuple(name for name in both if name not in retag),
        retag=retag,
    )


def only_tags(before: DeviceSpec | ServerSpec, after: DeviceSpec | ServerSpec) -> bool:
    """Whether a polled device can go on with its connection."""
    if not isinstance(before, DeviceSpec) or not isinstance(after, DeviceSpec):
        return False
    kind = after.entry.client
    polled = kind is not None and issubclass(kind, PolledDriver)
    return polled and replace(before, tags=after.tags, period_s=after.period_s) == after


def by_name(specs: Sequence[Spec], what: str) -> dict[str, Spec]:
    """Raises ConfigError when a name comes twice."""
    found = {spec.name: spec for spec in specs}
    if len(found) < len(specs):
        names = [spec.name for spec in specs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ConfigError(f"two are called {twice!r}", what, "rename one of them")
    return found
