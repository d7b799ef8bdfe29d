"""The check of session drivers catches careless ones, each by its own words."""

import asyncio
import time

import numpy as np
import pytest

from baotu.sdk import Quality, Refused, Samples, SessionDriver, Tag, Unreachable
from baotu.sdk.testing.sessions import check_session

TAGS = (
    Tag(id=3, asset="a", property="level", address="level"),
    Tag(id=4, asset="a", property="name", address="name", kind="text"),
)
MISSING = Tag(id=9, asset="a", property="x", address="nowhere")


class Careful(SessionDriver):
    """Tells every tag at once and then each 10 ms; keeps what is written."""

    up = False
    values = {"level": 1.0, "name": "pump"}

    async def run(self, tags, line):
        self.up = True
        line.up()
        try:
            while True:
                self.tell(tags, line)
                await asyncio.sleep(0.01)
        finally:
            self.up = False

    def tell(self, tags, line):
        for tag in tags:
            if tag.address in self.values:
                line.deliver(Samples.of(tag.id, [line.now()], [self.values[tag.address]]))
            else:
                line.mark(np.array([tag.id], "i4"), Quality.BAD_ADDRESS_UNKNOWN)

    async def write(self, tag, value):
        if not self.up:
            raise Unreachable("no session at the moment")
        if tag.kind == "text":
            raise Refused("texts are fixed")
        self.values = {**self.values, tag.address: value}
        return value


class Forgetful(Careful):
    def tell(self, tags, line):
        super().tell([tag for tag in tags if tag.address in self.values], line)


class Backwards(Careful):
    def tell(self, tags, line):
        super().tell(tags, line)
        line.deliver(Samples.of(3, [line.now() - 10**9], [2.0]))


class Wordless(Careful):
    def tell(self, tags, line):
        super().tell(tags, line)
        line.deliver(Samples.of(4, [line.now()], [2.0]))


class Stubborn(Careful):
    async def run(self, tags, line):
        try:
            await super().run(tags, line)
        except asyncio.CancelledError:
            await asyncio.sleep(5.2)
            raise


class Freezing(Careful):
    def tell(self, tags, line):
        super().tell(tags, line)
        end = time.thread_time() + 0.15
        while time.thread_time() < end:
            pass


class Liar(Careful):
    async def write(self, tag, value):
        return await super().write(tag, value) + 1


class Late(Careful):
    async def write(self, tag, value):
        self.up = True
        return await super().write(tag, value)


class Littering(Careful):
    async def run(self, tags, line):
        self.left = asyncio.create_task(asyncio.sleep(30))
        await super().run(tags, line)


def checked(driver, **more):
    asked = {
        "missing": MISSING, "writes": [(TAGS[0], 5.0)], "refuses": [(TAGS[1], "x")],
        "within_s": 3.0, "stall_s": 5.0,
    }  # fmt: skip
    return asyncio.run(check_session(lambda: driver(None), TAGS, **{**asked, **more}))


def test_a_careful_driver_passes():
    report = checked(Careful, within_s=30)
    assert len(report.checks) == 3
    assert report.stop_s > 0


@pytest.mark.parametrize(
    ("driver", "words"),
    [
        (Forgetful, "a sample or a mark of every one"),
        (Backwards, "went back in time"),
        (Wordless, "is text, delivered"),
        (Liar, "read back 6.0"),
        (Late, "must raise Unreachable"),
        (Littering, "outlive the session"),
        pytest.param(Stubborn, "allowed 5.0 s", marks=pytest.mark.slow),
    ],
)
def test_a_careless_driver_is_caught(driver, words):
    with pytest.raises(AssertionError, match=words):
        checked(driver)


def test_a_driver_that_holds_the_loop_is_caught():
    with pytest.raises(AssertionError, match="the loop was held"):
        checked(Freezing, stall_s=0.1, within_s=30)
