"""OPC UA value changes a second through the driver, on one core, beside asyncua's own subscription.

A server in another process: asyncua's sessions and secure channel, but its publications are made
with numpy (fresh values and time stamps in every one, the wire format untouched), because its own
publishing is slower than what is measured. The driver delivers into a line that counts.
`python benchmarks/opcua.py [--json] [--seconds 5] [--items 1000] [--paced 40000] [--protected]`
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import resource
import struct
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
from asyncua import Client as Library
from asyncua import ua
from asyncua.server.internal_subscription import InternalSubscription

from baotu.drivers.opcua import DRIVER
from baotu.drivers.opcua.wire import EPOCH_TICKS
from baotu.sdk import Samples, Tag
from baotu.sdk.testing.serving import PlayedFeed
from baotu.sdk.testing.sessions import RecordingLine, running

RECORD = np.dtype(
    [("handle", "<u4"), ("mask", "u1"), ("kind", "u1"), ("value", "<f8"), ("source", "<i8"),
     ("server", "<i8")]
)  # fmt: skip
NOTHING = struct.pack("<i", -1)


class Firehose(InternalSubscription):
    """Publishes all its items with new values as fast as it is asked, or `rate` changes a second."""

    rate = 0.0

    async def _subscription_loop(self) -> None:
        while len(self.monitored_item_srv._monitored_items) < Firehose.items:
            await super().publish_results()
            await asyncio.sleep(0.05)
        handles = [m.client_handle for m in self.monitored_item_srv._monitored_items.values()]
        block = np.zeros(len(handles), RECORD)
        block["handle"], block["mask"], block["kind"] = handles, 0x0D, 11
        values, began, sent = np.random.default_rng(1).normal(20, 5, len(block)), time.time(), 0
        while not self._closing:
            if self.rate:
                await asyncio.sleep(max(0.0, began + sent / self.rate - time.time()))
            asked = self.pub_request_callback(self.data.SubscriptionId)
            if asked is None:
                await asyncio.sleep(0.001)
                continue
            block["value"] = values + sent
            block["source"] = block["server"] = time.time_ns() // 100 + EPOCH_TICKS
            self._send(asked, block)
            sent += len(block)
            await asyncio.sleep(0)

    def _send(self, asked: object, block: np.ndarray) -> None:
        processor = self.pub_result_callback.__self__
        now = time.time_ns() // 100 + EPOCH_TICKS
        body = struct.pack("<i", len(block)) + block.tobytes() + NOTHING
        raw = (
            bytes.fromhex("01003d03")  # PublishResponse
            + struct.pack("<qII", now, asked.requesthdr.RequestHandle, 0)
            + b"\0" + NOTHING + b"\0\0\0"
            + struct.pack("<Iib", self.data.SubscriptionId, -1, 0)
            + struct.pack("<Iqi", self._notification_seq, now, 1)
            + bytes.fromhex("01002b0301") + struct.pack("<i", len(body)) + body
            + NOTHING + NOTHING
        )  # fmt: skip
        self._notification_seq += 1
        processor._transport.write(
            processor._connection.message_to_binary(
                raw, message_type=ua.MessageType.SecureMessage, request_id=asked.seqhdr.RequestId
            )
        )


def tags(count: int) -> list[Tag]:
    return [
        Tag(id=i, asset=f"line/unit-{i // 10}", property=f"p{i % 10}", period_s=0.05,
            address=f"ns=2;s=line/unit-{i // 10}/p{i % 10}")
        for i in range(count)
    ]  # fmt: skip


async def serve(count: int, rate: float, folder: str) -> None:
    import asyncua.server.subscription_service as service

    Firehose.items, Firehose.rate = count, rate
    service.InternalSubscription = Firehose
    mine = tags(count)
    numbers = np.arange(count)
    latest = Samples.of(numbers, np.full(count, time.time_ns()), numbers.astype("f8"))
    settings = DRIVER.server.Settings(endpoint="opc.tcp://[::1]:0", pki=folder,
                                      accept_any_client_certificate_insecure=True)  # fmt: skip
    await DRIVER.server(settings).serve(
        PlayedFeed(mine, [latest]), lambda url: print(url, flush=True)
    )


async def through_driver(
    url: str, count: int, seconds: float, folder: str, protected: bool
) -> dict:
    line = RecordingLine(keeps=False)
    more = {"security": "sign_and_encrypt", "accept_any_server_certificate_insecure": True}
    settings = DRIVER.client.Settings(endpoint=url, pki=folder, **(more if protected else {}))
    async with running(DRIVER.client(settings), tags(count), line) as task:
        await line.until(lambda: line.count > 3 * count or task.done(), 60, "the stream")
        if task.done():
            task.result()
        return await measured(lambda: line.count, seconds)


class Counter:
    def __init__(self, wanted: int) -> None:
        self.count, self.wanted, self.flowing = 0, wanted, asyncio.Event()

    def datachange_notification(self, node: object, value: object, data: object) -> None:
        self.count += 1
        if self.count == self.wanted:
            self.flowing.set()


async def through_library(url: str, count: int, seconds: float) -> dict:
    """asyncua's own Subscription with a handler, as its users write it."""
    counter = Counter(3 * count)
    async with Library(url) as client:
        subscription = await client.create_subscription(50, counter)
        nodes = [client.get_node(tag.address) for tag in tags(count)]
        await subscription.subscribe_data_change(nodes)
        await counter.flowing.wait()
        return await measured(lambda: counter.count, seconds)


async def measured(count: object, seconds: float) -> dict:
    before, cpu, began = count(), time.process_time(), time.monotonic()
    await asyncio.sleep(seconds)
    took, used, changes = time.monotonic() - began, time.process_time() - cpu, count() - before
    return {
        "changes_per_s": round(changes / took),
        "cpu": round(used / took, 3),
        "changes_per_cpu_s": round(changes / max(used, 1e-9)),
    }


async def one(name: str, options: argparse.Namespace, rate: float, folder: str) -> dict:
    server = await asyncio.create_subprocess_exec(
        sys.executable, __file__, "--serve", "--items", str(options.items), "--paced", str(rate),
        "--folder", folder, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        url = (await server.stdout.readline()).decode().strip()
        if name == "asyncua":
            found = await through_library(url, options.items, options.seconds)
        else:
            found = await through_driver(
                url, options.items, options.seconds, folder + "/ours", name == "driver, encrypted"
            )
    finally:
        with suppress(ProcessLookupError):
            server.kill()
        await server.wait()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"name": name, "paced": rate, "items": options.items, **found, "peak_mb": round(peak)}


async def run(options: argparse.Namespace) -> list[dict]:
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, rate in (
            ("driver", 20_000.0), ("driver", 0.0), ("driver, encrypted", 0.0), ("asyncua", 0.0),
        ):  # fmt: skip
            rows.append(await one(name, options, rate, folder))
    return rows


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--json", action="store_true")
    asked.add_argument("--serve", action="store_true")
    asked.add_argument("--seconds", type=float, default=5)
    asked.add_argument("--items", type=int, default=1000)
    asked.add_argument("--paced", type=float, default=0)
    asked.add_argument("--folder", default="")
    options = asked.parse_args()
    logging.getLogger("asyncua").setLevel(logging.CRITICAL)
    if options.serve:
        asyncio.run(serve(options.items, options.paced, str(Path(options.folder) / "theirs")))
        return
    rows = asyncio.run(run(options))
    if options.json:
        print(json.dumps(rows))
        return
    for row in rows:
        print("  ".join(f"{key} {value}" for key, value in row.items()))


if __name__ == "__main__":
    main()
