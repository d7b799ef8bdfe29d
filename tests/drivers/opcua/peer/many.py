"""Our server with many tags in a process of its own: prints its address, serves until killed."""

import asyncio
import logging
import sys

from baotu.drivers.opcua import DRIVER
from baotu.sdk import Tag
from baotu.sdk.testing.serving import PlayedFeed


def main(count: int, per_folder: int, folder: str) -> None:
    logging.getLogger("asyncua").setLevel(logging.CRITICAL)
    tags = [
        Tag(id=i, asset=f"plant/unit-{i // per_folder}", property=f"p{i % per_folder}")
        for i in range(count)
    ]
    settings = DRIVER.server.Settings(endpoint="opc.tcp://[::1]:0", pki=folder)
    serving = DRIVER.server(settings).serve(PlayedFeed(tags), lambda url: print(url, flush=True))
    asyncio.run(serving)


main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
