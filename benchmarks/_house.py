"""What benchmarks of whole nodes share: a node in a process of its own, a client, figures of /proc.

The node is started as people start it (`baotu run --config …`), its data are on disk, the client is
this process. Nothing in here is measured.
"""

from __future__ import annotations

import asyncio
import contextlib
import csv
import http.client
import json
import multiprocessing
import os
import struct
import subprocess
import sys
import threading
import time
import urllib.parse
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

HERE = "::1"
PASSWORD = "of a node that lives for a minute"
TICKS = os.sysconf("SC_CLK_TCK")
HEAD = """[node]
name = "bench"
data = "data"
{more}
[edge]
status = ""

"""


def token(data: Path) -> str:
    """An API token of the node that works in this folder, by its control socket."""
    from baotu.house.control import ask

    if all(row["name"] != "bench" for row in ask(data, "account_list")):
        ask(data, "account_create", name="bench", roles=["engineer", "audit_admin"])
    return str(ask(data, "token_create", account="bench", scope=["*"], days=1))


class Node:
    """`with Node(folder, text) as node:` is a running node with role `all`."""

    def __init__(self, folder: Path, text: str = "", config: Path | None = None) -> None:
        self.folder, self.config = folder, config or folder / "node.toml"
        if config is None:
            self.config.write_text(text, encoding="utf-8")
        self.start_s = 0.0

    def __enter__(self) -> Node:
        command = [sys.executable, "-m", "baotu.cli", "run", "--config", str(self.config)]
        command += ["--data", str(self.folder / "data"), "--listen", f"[{HERE}]:0"]
        begin = time.monotonic()
        self.log = (self.folder / "node.log").open("w")
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=self.log, text=True, cwd=self.folder
        )
        timer = threading.Timer(180, self.process.kill)
        timer.start()
        assert self.process.stdout
        for line in self.process.stdout:
            if "http://" in line:
                break
        else:
            self.process.wait()
            raise RuntimeError(f"the node did not start: {self._last_words()}")
        timer.cancel()
        self.start_s = time.monotonic() - begin
        url = urllib.parse.urlsplit(line[line.index("http://") :].strip())
        self.port, self.pid = int(url.port or 0), self.process.pid
        self.address = f"http://[{HERE}]:{self.port}"
        self.web = http.client.HTTPConnection(HERE, self.port, timeout=60)
        self.token = token(self.folder / "data")
        return self

    def __exit__(self, *_: object) -> None:
        self.web.close()
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
        self.log.close()

    def _last_words(self) -> str:
        return (self.folder / "node.log").read_text()[-600:]

    def get(self, path: str, accept: str = "application/json") -> bytes:
        try:
            self.web.request("GET", path, headers=self.headers | {"accept": accept})
            answer = self.web.getresponse()
        except (http.client.HTTPException, OSError):  # kept open too long, and closed
            self.web.close()
            self.web.request("GET", path, headers=self.headers | {"accept": accept})
            answer = self.web.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status} {body[:300]!r}")
        return body

    @property
    def headers(self) -> dict[str, str]:
        """What a request of somebody who may look at everything comes with."""
        return {"authorization": f"Bearer {self.token}"}

    def cookie(self) -> dict[str, str]:
        """Name and value for a browser that is signed in."""
        from baotu.house.control import ask

        link = ask(self.folder / "data", "account_link", account="bench")
        about = {"secret": link["address"].partition("#")[2], "password": PASSWORD}
        body, kind = json.dumps(about), {"content-type": "application/json"}
        self.web.request("POST", "/api/welcome/done", body, kind)
        answer = self.web.getresponse()
        answer.read()
        cookies = answer.headers.get_all("set-cookie") or []
        name, _, value = (
            next(c for c in cookies if "-session" in c).partition(";")[0].partition("=")
        )
        return {"name": name, "value": value}

    def json(self, path: str) -> Any:
        return json.loads(self.get(path))

    def history(self) -> dict[str, float]:
        return self.json("/api/health")["history"]

    def devices(self, kind: str) -> list[dict[str, Any]]:
        return self.json(f"/api/devices?kind={kind}")["healths"]

    def ws(self, query: str = "") -> str:
        return f"ws://[{HERE}]:{self.port}/api/live?time=ms{query}"

    # of the process ----------------------------------------------------------------------------
    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory_mb(self) -> dict[str, float]:
        """Resident now, and at most since the start."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        found = dict(line.split(":", 1) for line in lines if line.startswith(("VmRSS", "VmHWM")))
        return {
            "rss_mb": round(int(found["VmRSS"].split()[0]) / 1024),
            "peak_mb": round(int(found["VmHWM"].split()[0]) / 1024),
        }


class Window:
    """Samples a second that reached history, and cores used, between two moments; both a while
    after a full second, so that a tick is in it whole or not at all."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.restart()

    def restart(self) -> None:
        time.sleep((0.8 - time.time()) % 1.0)
        self.began, self.cpu = time.monotonic(), self.node.cpu_s()
        self.appended = self.node.history()["appended"]
        self.peak = 0.0

    def wait(self, seconds: float) -> dict[str, float]:
        end = self.began + seconds
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(1.0, left))
            self.peak = max(self.peak, self.node.memory_mb()["rss_mb"])
        now, cpu, history = time.monotonic(), self.node.cpu_s(), self.node.history()
        took = now - self.began
        return {
            "seconds": round(took, 1),
            "samples_per_s": round((history["appended"] - self.appended) / took),
            "cores": round((cpu - self.cpu) / took, 3),
            "rss_mb": self.peak,
            "commit_p50_ms": round(history["commit_p50_ms"], 1),
            "commit_p99_ms": round(history["commit_p99_ms"], 1),
        }


class Eyes:
    """A live channel in a thread: (sample's time ms, arrival ms, name, value) of all that came."""

    def __init__(self, node: Node, names: Sequence[str]) -> None:
        self.rows: list[tuple[list[int], float, list[str], list[float]]] = []
        self._names, self._address, self._headers = list(names), node.ws(), node.headers
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._stop = threading.Event()

    def __enter__(self) -> Eyes:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)

    def clear(self) -> None:
        self.rows.clear()

    def ages_ms(self) -> np.ndarray:
        """Arrival less the sample's own time."""
        parts = [at - np.array(times) for times, at, *_ in list(self.rows)]
        return np.concatenate(parts) if parts else np.empty(0)

    def _look(self) -> None:
        from websockets.sync.client import connect

        with connect(self._address, max_size=None, additional_headers=self._headers) as socket:
            socket.send(json.dumps({"subscribe": self._names}))
            while not self._stop.is_set():
                try:
                    told = json.loads(socket.recv(timeout=0.5))
                except TimeoutError:
                    continue
                now = time.time() * 1e3
                if "tag" in told:
                    self.rows.append((told["time"], now, told["tag"], told["value"]))


class RegisterServer(asyncio.Protocol):
    """A Modbus device whose floats change every second; answers function 3 and nothing else."""

    # holding registers 0…65535 of every unit, one picture a second
    turns = [
        turn.tobytes()
        for turn in np.random.default_rng(0).normal(50, 1, (8, 32_768)).round(2).astype(">f4")
    ]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport, self._buffer = transport, b""

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data
        whole = len(buffer) // 12 * 12
        registers = self.turns[int(time.time()) % 8]
        answers = []
        for number, _, _, unit, function, start, count in struct.iter_unpack(
            ">HHHBBHH", buffer[:whole]
        ):
            size = 2 * count
            answers.append(struct.pack(">HHHBBB", number, 0, size + 3, unit, function, size))
            answers.append(registers[2 * start : 2 * start + size])
        self._buffer = buffer[whole:]
        self._transport.write(b"".join(answers))


def _serve(told: Connection) -> None:
    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(RegisterServer, HERE, 0)
        told.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


@contextlib.contextmanager
def registers() -> Iterator[int]:
    """The port of a register server in another process."""
    mine, other = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=_serve, args=(other,), daemon=True
    )
    process.start()
    try:
        yield mine.recv()
    finally:
        process.terminate()
        process.join()


def write_tags(path: Path, rows: Iterator[dict[str, Any]]) -> None:
    first = next(rows)
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, list(first))
        table.writeheader()
        table.writerow(first)
        table.writerows(rows)


def percentiles(values: np.ndarray, name: str) -> dict[str, float]:
    if not len(values):
        return {}
    at = np.percentile(values, [50, 99])
    return {
        f"{name}_p50_ms": round(float(at[0]), 1),
        f"{name}_p99_ms": round(float(at[1]), 1),
        f"{name}_max_ms": round(float(values.max()), 1),
    }


def bar(what: str, figure: float | None, sign: str, limit: float, quick: bool) -> dict[str, Any]:
    """One line of the table of bars."""
    met = figure is not None and {
        ">=": figure >= limit, "<=": figure <= limit, "<": figure < limit, "==": figure == limit,
    }[sign]  # fmt: skip
    return {
        "what": what, "figure": figure, "bar": f"{sign} {limit:g}", "quick": quick, "met": met,
    }  # fmt: skip


def tell(name: str, figures: dict[str, Any], bars: Sequence[Any], as_json: bool) -> None:
    report = {
        "name": name,
        "figures": figures | {"load": round(os.getloadavg()[0], 2)},
        "bars": list(bars),
    }
    print(json.dumps(report, indent=None if as_json else 2, ensure_ascii=False))
