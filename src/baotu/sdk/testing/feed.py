"""Feed an app by hand: samples in, facts out, nothing else in between."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from inspect import isgenerator
from typing import Any, cast, get_type_hints

import numpy as np

from ..app import App, Call, Caller
from ..facts import Fact
from ..quality import Quality
from ..samples import SECOND, Samples

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NOBODY = Caller("test", "", frozenset())


def samples(
    tag: int,
    values: Sequence[float] | Sequence[str] | np.ndarray,
    *,
    start: int = 0,
    step: int = SECOND,
    quality: int = Quality.GOOD,
) -> Samples:
    """Samples of one tag, one every `step` ns from `start` on (ns UTC).

    >>> samples(7, [20.0, 21.0]).time.tolist()
    [0, 1000000000]
    """
    return Samples.of(tag, start + step * np.arange(len(values)), np.asarray(values), quality)


def feed(app: App, *parts: Samples, property: str = "") -> list[Fact]:
    """Give each part to the app's `@stream` handlers (of this property, or all); its facts."""
    facts: list[Fact] = []
    for part in parts:
        for mark, handler in app.marked("stream"):
            if property and mark.property != property:
                continue
            hints = get_type_hints(handler)
            gifts: dict[str, Any] = {n: part for n, kind in hints.items() if kind is Samples}
            gifts |= {n: Call(NOBODY, EPOCH) for n, kind in hints.items() if kind is Call}
            if "records" in hints:
                continue  # it needs a bench
            said = handler(app, **gifts)
            if isgenerator(said):
                facts.extend(cast(Iterator[Fact], said))
    return facts
