"""Modbus float tags planned, read over a real TCP socket (::1) and decoded, per core used.

The device is a small register server in a process of its own; its time is not counted. What the
platform does with the samples afterwards is not in it: see the benchmark of the whole path.
`python benchmarks/modbus.py [--json] [--seconds 5] [--tags 100000]`
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import resource
import struct
import time
from multiprocessing.connection import Connection

import numpy as np

from baotu.drivers.modbus import DRIVER
from baotu.drivers.modbus.driver import Modbus
from baotu.sdk import Request, Tag

TAGS_A_UNIT = 32_768
REGISTERS = np.random.default_rng(0).normal(50, 1, TAGS_A_UNIT).astype(">f4").tobytes()


class RegisterServer(asyncio.Protocol):
    """Answers function 3, as many questions as are in the buffer at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport, self._buffer = transport, b""

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data
        whole = len(buffer) // 12 * 12
        answers = []
        for number, _, _, unit, function, start, count in struct.iter_unpack(
            ">HHHBBHH", buffer[:whole]
        ):
            size = 2 * count
            answers.append(struct.pack(">HHHBBB", number, 0, size + 3, unit, function, size))
            answers.append(REGISTERS[2 * start : 2 * start + size])
        self._buffer = buffer[whole:]
        self._transport.write(b"".join(answers))


def serve(told: Connection) -> None:
    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(RegisterServer, "::1", 0)
        told.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


class Client(asyncio.Protocol):
    """Keeps `driver.window` questions under way; counts what was decoded."""

    def __init__(self, driver: Modbus, plan: list[Request], rounds: int) -> None:
        self._driver, self._plan = driver, plan
        self._left, self._next = rounds * len(plan), 0
        self._to_send = self._left
        self._buffer = bytearray()
        self._under_way: dict[int, Request] = {}
        self.done = asyncio.get_running_loop().create_future()
        self.values, self.answers = 0, 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._fill()

    def data_received(self, data: bytes) -> None:
        buffer, driver, now = self._buffer, self._driver, time.time_ns()
        buffer += data
        while buffer:
            length, number = driver.whole(buffer)
            if not length:
                break
            answer = bytes(buffer[:length])
            del buffer[:length]
            assert number is not None
            for samples in driver.decode(self._under_way.pop(number), answer, now):
                self.values += len(samples)
            self.answers += 1
            self._left -= 1
        if self._left:
            self._fill()
        else:
            self.done.set_result(None)

    def _fill(self) -> None:
        questions = []
        while self._to_send and len(self._under_way) < self._driver.window:
            request = self._plan[self._next % len(self._plan)]
            number = self._next & 0xFFFF
            self._under_way[number] = request
            questions.append(self._driver.numbered(request, number))
            self._next += 1
            self._to_send -= 1
        if questions:
            self._transport.write(b"".join(questions))


def made(pipeline: int) -> Modbus:
    assert DRIVER.client is not None
    driver = DRIVER.client(DRIVER.client.Settings(host="::1", pipeline=pipeline))
    assert isinstance(driver, Modbus)
    return driver


def float_tags(count: int, order: str = "") -> list[Tag]:
    return [
        Tag(
            id=n,
            asset="bench",
            property=f"p{n}",
            address=f"{n // TAGS_A_UNIT + 1}/holding:{2 * (n % TAGS_A_UNIT)}:float32{order}",
        )
        for n in range(count)
    ]


async def poll(port: int, pipeline: int, plan: list[Request], seconds: float) -> dict[str, float]:
    """Rounds of the whole plan for about these seconds."""
    loop, rounds = asyncio.get_running_loop(), 1
    while True:
        cpu, wall = time.process_time(), time.perf_counter()
        client = Client(made(pipeline), plan, rounds)
        transport, _ = await loop.create_connection(lambda c=client: c, "::1", port)
        await client.done
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        transport.close()
        if wall >= seconds / 2:
            break
        rounds = max(rounds + 1, int(rounds * seconds / max(wall, 0.01)))
    return {
        "tags_per_s": round(client.values / wall),
        "tags_per_core_s": round(client.values / cpu),
        "core": round(cpu / wall, 2),
        "us_per_answer": round(cpu / client.answers * 1e6, 1),
    }


def decode_alone(count: int, order: str) -> dict[str, float]:
    """Millions of values a second through `decode`, best of five; nothing is sent."""
    driver = made(1)
    plan = driver.plan(float_tags(count, order))
    head = struct.Struct(">HHHBBB")
    answers = []
    for request in plan:
        size = 4 * len(request.tags)
        unit, function = request.payload[6:8]
        answers.append(head.pack(1, 0, size + 3, unit, function, size) + REGISTERS[:size])
    best = float("inf")
    for _ in range(5):
        begin = time.perf_counter()
        for request, answer in zip(plan, answers, strict=True):
            driver.decode(request, answer, 0)
        best = min(best, time.perf_counter() - begin)
    return {
        "values_per_s": round(count / best),
        "us_per_answer": round(best / len(plan) * 1e6, 1),
    }


def run(seconds: float, count: int) -> list[dict[str, float | str]]:
    tags = float_tags(count)
    begin = time.perf_counter()
    plan = made(1).plan(tags)
    planned = time.perf_counter() - begin
    found: list[dict[str, float | str]] = [
        {
            "name": "plan",
            "tags_per_s": round(count / planned),
            "requests": len(plan),
            "seconds": round(planned, 2),
        }
    ]
    for order in ("", ":CDAB"):
        found.append({"name": f"decode alone {order or ':ABCD'}"} | decode_alone(count, order))
    mine, other = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(other,), daemon=True)
    server.start()
    port = mine.recv()
    try:
        for pipeline in (1, 4, 16):
            row = asyncio.run(poll(port, pipeline, plan, seconds))
            found.append({"name": f"read and decode, pipeline {pipeline}"} | row)
    finally:
        server.terminate()
        server.join()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    found.append({"name": "memory", "tags": count, "peak_mb": peak})
    return found


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--json", action="store_true")
    asked.add_argument("--quick", action="store_true")
    asked.add_argument("--seconds", type=float, default=5.0)
    asked.add_argument("--tags", type=int, default=100_000)
    options = asked.parse_args()
    found = run(1.0 if options.quick else options.seconds, options.tags)
    if options.json:
        print(json.dumps(found))
        return
    for row in found:
        figures = (f"{key} {value:,}" for key, value in row.items() if key != "name")
        print(f"{row['name']:<32}", "   ".join(figures))


if __name__ == "__main__":
    main()
