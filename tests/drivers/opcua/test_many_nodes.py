"""A whole server of 100,000 variables is discovered without freezing anyone."""

import asyncio
import gc
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from baotu.drivers.opcua import DRIVER
from baotu.sdk import Tag
from baotu.sdk.testing.sessions import RecordingLine, running, stalls

NOT_WANTED = Tag(id=-1, asset="", property="")
MANY = Path(__file__).parent / "peer" / "many.py"


@asynccontextmanager
async def serving(count, per_folder, folder):
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(MANY), str(count), str(per_folder), str(folder),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield (await asyncio.wait_for(process.stdout.readline(), 100)).decode().strip()
    finally:
        process.kill()
        await process.wait()


class Addresses(RecordingLine):
    """Keeps addresses only, so that the collector measures the driver, not the test."""

    def __init__(self):
        super().__init__()
        self.addresses, self.paths = [], set()

    def declare(self, found):
        self.addresses += [one.address for one in found]
        self.paths |= {one.path[0] for one in found}
        return [NOT_WANTED] * len(found)


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("per_folder", [100, 100_000], ids=["deep", "one folder, one answer"])
def test_100_000_variables_are_discovered_without_a_stall(per_folder, tmp_path):
    async def story():
        async with serving(100_000, per_folder, tmp_path) as url:
            settings = DRIVER.client.Settings(endpoint=url, discover="i=85", timeout_s=60)
            line = Addresses()
            async with stalls() as seen, running(DRIVER.client(settings), (), line):
                await line.until(lambda: "discovery" in line.figures, 150, "discovery")
        assert len(set(line.addresses)) == len(line.addresses) == 100_000
        assert line.paths == {"plant"}
        assert line.figures["discovered"] == 100_000
        assert seen.cpu_s < 0.1, f"the loop was held {seen.cpu_s:.3f} s"

    gc.collect()
    gc.freeze()  # what start-up left is not the driver's
    try:
        asyncio.run(asyncio.wait_for(story(), 200))
    finally:
        gc.unfreeze()


def test_discovery_stops_at_its_limit_and_says_so(tmp_path):
    async def story():
        async with serving(500, 100, tmp_path) as url:
            settings = DRIVER.client.Settings(endpoint=url, discover="i=85", discover_limit=120)
            line = RecordingLine()
            async with running(DRIVER.client(settings), (), line):
                await line.until(lambda: "discovery" in line.figures, 30, "discovery")
        assert len(line.found) == 120
        assert line.figures["discovery"] == "cut short"

    asyncio.run(asyncio.wait_for(story(), 60))
