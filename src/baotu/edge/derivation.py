"""Derived tags: which follow from which, computed in that order, in columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from graphlib import CycleError, TopologicalSorter

import numpy as np

from baotu.sdk import ConfigError, Samples, Tag
from baotu.sdk.tags import Tags

from .expression import Expression, Source, parse
from .formula import Formula
from .streams import Events, Node
from .windows import Aggregate

Find = Callable[[str], Tag | None]


class Derivation:
    """All derived tags of an edge, from samples in engineering units, before any is left out."""

    def __init__(self, derived: Iterable[Tag], find: Find, names: Iterable[str] = ()) -> None:
        """find: a tag by name, derived ones too. names: for hints.

        Raises ConfigError for a wrong expression, an unknown or unfit tag, a circle.
        """
        self._find, self._names = find, names
        self._windows: dict[tuple[int, str, int], Aggregate] = {}
        self.nodes: list[Node] = self._ordered(list(derived))
        sources = {id for node in self.nodes for id in node.inputs if id >= 0}
        self._watched = np.zeros(max(sources, default=-1) + 1, bool)
        self._watched[list(sources)] = True

    def take(self, samples: Samples, now: float) -> Samples:
        """What follows from these samples. now: monotonic seconds."""
        if not self.nodes:
            return Samples.empty()
        known = samples.tag < len(self._watched)
        chosen = np.flatnonzero(known)[self._watched[samples.tag[known]]]
        if not len(chosen):
            return Samples.empty()
        order = chosen[np.argsort(samples.tag[chosen], kind="stable")]
        tags = samples.tag[order]
        cuts = np.flatnonzero(tags[1:] != tags[:-1]) + 1
        streams = {
            int(samples.tag[part[0]]): Events(
                part, samples.time[part], samples.value[part], samples.quality[part]
            )
            for part in np.split(order, cuts)
        }
        return self._run(streams, lambda node, inputs: node.take(inputs, now))

    def settle(self, now: float, wall: int) -> Samples:
        """What was held back and waits no longer."""

        def work(node: Node, inputs: list[Events]) -> Events:
            return Events.concat([node.take(inputs, now), node.settle(now, wall)])

        return self._run({}, work, everyone=True) if self.nodes else Samples.empty()

    def rewind(self) -> None:
        for node in self.nodes:
            node.rewind()

    def _run(
        self,
        streams: dict[int, Events],
        work: Callable[[Node, list[Events]], Events],
        everyone: bool = False,
    ) -> Samples:
        nothing = Events.of(())
        results: list[tuple[int, Events]] = []
        for node in self.nodes:
            if everyone or any(id in streams for id in node.inputs):
                told = work(node, [streams.get(id, nothing) for id in node.inputs])
                if len(told):
                    streams[node.out] = told
                    results.append((node.out, told))
        return _samples([(out, events) for out, events in results if out >= 0])

    def _ordered(self, derived: list[Tag]) -> list[Node]:
        formulas: dict[int, tuple[Tag, Expression]] = {}
        needs: dict[int, list[int]] = {}
        for tag in derived:
            if tag.kind == "text":
                raise ConfigError("a derived tag is a number or a boolean, not a text", tag.name)
            expression = parse(tag.expression, tag.asset, tag.name)
            formulas[tag.id] = tag, expression
            needs[tag.id] = [self._source(source, tag).id for source in expression.sources]
        try:
            order = list(TopologicalSorter(needs).static_order())
        except CycleError as error:
            circle = " ← ".join(formulas[id][0].name for id in error.args[1])
            raise ConfigError(f"derived tags in a circle: {circle}", hint="cut one") from None
        nodes: list[Node] = []
        for tag, expression in (formulas[id] for id in order if id in formulas):
            inputs = []
            for source, of in zip(expression.sources, needs[tag.id], strict=True):
                inputs.append(self._windowed(source, of, nodes) if source.aggregate else of)
            nodes.append(Formula(tuple(inputs), tag.id, expression.compute))
        return nodes

    def _windowed(self, source: Source, of: int, nodes: list[Node]) -> int:
        """The signal inside that carries this aggregate; the same one serves all who ask."""
        key = of, source.aggregate, source.window_ns
        if key not in self._windows:
            self._windows[key] = Aggregate(
                of, -1 - len(self._windows), source.aggregate, source.window_ns
            )
            nodes.append(self._windows[key])
        return self._windows[key].out

    def _source(self, source: Source, asking: Tag) -> Tag:
        found = self._find(source.name)
        if found is None:
            near = get_close_matches(source.name, list(self._names), 1)
            hint = f"did you mean {near[0]}?" if near else 'write tag("asset/property")'
            raise ConfigError(f"no tag {source.name!r}", asking.name, hint)
        if found.kind == "text":
            raise ConfigError(f"{source.name} is a text: it cannot be reckoned with", asking.name)
        return found


def _samples(results: list[tuple[int, Events]]) -> Samples:
    """In order of the steps, so that a tag of a tag comes after it."""
    if not results:
        return Samples.empty()
    tag = np.concatenate([np.full(len(events), out, "i4") for out, events in results])
    events = Events.concat([events for _, events in results])
    order = np.argsort(events.step, kind="stable")
    return Samples(tag[order], events.time[order], events.value[order], events.quality[order])


def derived_of(tags: Tags) -> list[Tag]:
    return list(tags.pick(tags.mask("expression", bool)))
