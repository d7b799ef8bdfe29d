"""Store and forward on the edge's real log: nothing lost, nothing twice, bounded, over kills."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from baotu.edge.feeds import EdgeFeed
from baotu.edge.forward import fitting
from baotu.fabric.frame import encode
from baotu.fabric.log import Log
from baotu.fabric.past import LogPast
from baotu.sdk import Samples, Tag
from baotu.sdk.ports import Segment
from baotu.sdk.tags import Tags

TAGS = Tags.of([Tag(id=1, asset="a/b", property="x"), Tag(id=2, asset="c", property="y")])


class Plant:
    """What acquires: each value is a frame of the log and then goes to the feed, as in the edge."""

    def __init__(self, folder: Path, under: Sequence[str] = (), most: int = 1000, **log: int):
        self.log = Log(folder / "log", **log)
        self.feed = EdgeFeed(
            self, under, most, None, LogPast(self.log), folder / "servers/out.json"
        )
        self.forward = self.feed.forward(64, "drop_oldest")

    def tags(self) -> Tags:
        return TAGS

    def latest(self, ids: np.ndarray | None = None) -> list[Samples]:
        return []

    def acquire(self, *values: float, tag: int = 1) -> None:
        for value in values:
            samples = Samples.of(tag, [int(value * 10**9)], [value])
            self.feed.put(samples, self.log.append(encode(samples)))
        self.log.sync()


def values(parts: Sequence[Samples]) -> list[float]:
    return [value for part in parts for value in part.value.tolist()]


def test_what_came_while_the_peer_was_away_is_past_and_the_rest_is_live(tmp_path: Path) -> None:
    async def scene() -> None:
        plant = Plant(tmp_path)
        plant.acquire(1, 2)  # before the peer was ever there
        plant.forward.begin()
        assert await plant.forward.past(100) == []
        plant.acquire(3, 4)
        assert values(plant.forward.live()) == [3, 4]
        await plant.forward.confirm()
        plant.feed.close()
        plant.acquire(5, 6, 7)
        plant.forward.begin()
        plant.acquire(8)
        assert values(await plant.forward.past(2)) == [5, 6]
        assert values(plant.forward.live()) == [8]
        assert values(await plant.forward.past(100)) == [7]
        assert await plant.forward.past(100) == []
        assert plant.forward.owed == 0

    asyncio.run(scene())


def test_what_was_not_confirmed_is_given_again(tmp_path: Path) -> None:
    async def scene() -> None:
        plant = Plant(tmp_path)
        plant.forward.begin()
        plant.acquire(1, 2)
        plant.forward.live()
        await plant.forward.confirm()
        plant.acquire(3)
        plant.forward.live()
        plant.feed.close()  # the broker went away and never had 3
        plant.acquire(4)
        plant.forward.begin()
        assert values(await plant.forward.past(100)) == [3, 4]

    asyncio.run(scene())


def test_a_killed_node_goes_on_where_the_peer_was(tmp_path: Path) -> None:
    async def scene() -> None:
        plant = Plant(tmp_path)
        plant.forward.begin()
        plant.acquire(1)
        plant.forward.live()
        await plant.forward.confirm()
        plant.acquire(*range(2, 100))
        plant = Plant(tmp_path)  # nothing was closed
        plant.acquire(100, 101)
        plant.forward.begin()
        plant.acquire(102)
        assert values(await plant.forward.past(50)) == [float(n) for n in range(2, 52)]
        assert values(plant.forward.live()) == [102]
        await plant.forward.confirm()  # in the middle of the past, with the present ahead of it
        plant = Plant(tmp_path)
        plant.acquire(103)
        plant.forward.begin()
        assert values(await plant.forward.past(1000)) == [float(n) for n in range(52, 102)] + [103]

    asyncio.run(scene())


def test_live_samples_that_overflow_are_read_from_the_log(tmp_path: Path) -> None:
    async def scene() -> None:
        plant = Plant(tmp_path, most=10)
        plant.forward.begin()
        plant.acquire(*range(30))
        assert values(plant.forward.live()) == [float(n) for n in range(20, 30)]
        assert values(await plant.forward.past(100)) == [float(n) for n in range(20)]
        assert plant.feed.dropped == 0

    asyncio.run(scene())


def test_only_what_this_server_offers_is_given(tmp_path: Path) -> None:
    async def scene() -> None:
        plant = Plant(tmp_path, under=["a"])
        plant.forward.begin()
        await plant.forward.confirm()
        plant.feed.close()
        plant.acquire(1)
        plant.acquire(2, tag=2)
        plant.acquire(3, tag=77)
        plant.acquire(4)
        plant.forward.begin()
        assert values(await plant.forward.past(100)) == [1, 4]

    asyncio.run(scene())


def test_a_log_that_began_anew_owes_nothing(tmp_path: Path) -> None:
    async def scene() -> None:
        plant = Plant(tmp_path)
        plant.forward.begin()
        await plant.forward.confirm()
        for path in (tmp_path / "log").iterdir():
            path.unlink()
        plant = Plant(tmp_path)
        plant.acquire(1, 2)
        plant.forward.begin()
        assert await plant.forward.past(100) == []

    asyncio.run(scene())


def test_what_a_power_cut_could_take_is_not_kept_as_sent(tmp_path: Path) -> None:
    async def scene() -> None:
        plant = Plant(tmp_path)
        plant.acquire(1)
        plant.forward.begin()
        samples = Samples.of(1, [2 * 10**9], [2.0])
        plant.feed.put(samples, plant.log.append(encode(samples)))  # not synced
        plant.forward.live()
        assert not await plant.forward.confirm()
        again = Plant(tmp_path)
        again.forward.begin()
        assert values(await again.forward.past(100)) == [2]
        plant.log.sync()
        assert await plant.forward.confirm()
        again = Plant(tmp_path)
        again.forward.begin()
        assert await again.forward.past(100) == []

    asyncio.run(scene())


def test_frames_the_log_had_to_drop_are_counted_and_the_rest_comes(tmp_path: Path) -> None:
    async def scene() -> None:
        plant = Plant(tmp_path, limit=2000, segment=200)
        plant.forward.begin()
        await plant.forward.confirm()
        plant.feed.close()
        plant.acquire(*range(100))
        plant.forward.begin()
        got = values(await plant.forward.past(1000))
        assert got == [float(n) for n in range(100 - len(got), 100)]
        assert 0 < len(got) < 100 and plant.forward.missed == 100 - len(got)

    asyncio.run(scene())


def test_nothing_is_kept_when_it_is_switched_off(tmp_path: Path) -> None:
    async def scene() -> None:
        plant = Plant(tmp_path)
        plant.feed.forward(0, "drop_oldest")
        plant.forward.begin()
        await plant.forward.confirm()
        plant.feed.close()
        plant.acquire(1)
        plant.forward.begin()
        assert await plant.forward.past(100) == []
        assert not (tmp_path / "servers").exists()

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("full", "kept"), [("drop_oldest", ((45, 50), (90, 110))), ("drop_newest", ((20, 45),))]
)
def test_the_limit_keeps_the_end_or_the_beginning(full: str, kept: object) -> None:
    segments = [Segment(first=11, last=60, bytes=500), Segment(first=61, last=110, bytes=500)]
    gaps = [(20, 50), (90, 110)]

    assert fitting(gaps, segments, 250, full) == kept
    assert fitting(gaps, segments, 10**6, full) == tuple(gaps)
    assert fitting([(0, 50)], segments, 10**6, full) == ((10, 50),)
