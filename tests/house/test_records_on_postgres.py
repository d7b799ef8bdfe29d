"""A whole node with its records in PostgreSQL: started, killed, restarted; nothing answered is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from pymodbus.client import ModbusTcpClient

from baotu.house.demo import free_port
from tests.records.test_postgres import Server

from .nodes import Node, asking, get, served, until

psycopg = pytest.importorskip("psycopg", reason="the extra baotu[postgres] is not installed")
PASSWORD = "mi-ma-趵突"
CONFIG = """
[node]
name = "shop"
[console]
listen = "[::1]:{console}"
[edge]
status = ""
[records]
url = "postgresql://baotu@[::1]:{port}/postgres"
[[device]]
name = "plc"
driver = "modbus"
host = "::1"
port = {device}
period_s = 0.2
asset = "plant/motor"
asset_type = "Motor"
[[device.tag]]
property = "temperature"
address = "holding:0:float32"
"""


class Shop(Node):
    """A node with its password in its environment; asked over its console."""

    def __init__(self, config: Path, console: int, log: Path) -> None:
        self.console, self.data = console, config.parent / "data"
        super().__init__(config, log, BAOTU_RECORDS_PASSWORD=PASSWORD)

    def get(self, path: str) -> dict:
        return get(f"http://[::1]:{self.console}{path}", self.data)

    def target(self, pump: str, percent: float, key: str = "") -> float:
        request = asking(
            self.data,
            f"http://[::1]:{self.console}/api/pumping/set_target",
            json.dumps({"pump": pump, "percent": percent}).encode(),
            **{"Content-Type": "application/json", "Idempotency-Key": key},
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.loads(answer.read())

    def targets(self) -> dict[str, float]:
        return {row["pump"]: row["target"] for row in self.get("/api/pumping/figures")}


@pytest.fixture
def device():
    with served(0x42C8, 0x0000) as port:  # 100 °C
        yield port


@pytest.fixture
def server():
    with tempfile.TemporaryDirectory(prefix="baotu-pg-") as folder:
        yield Server(Path(folder), free_port(), PASSWORD)


def overheats(node: Shop) -> list[dict]:
    rows = node.get("/api/alarms")["alarms"]
    return [row for row in rows if row["kind"] == "overheat" and row["active"]]


def kill_amid_commands(node: Shop, after: int) -> dict[str, float]:
    """Eight callers; the node is killed after so many answers. What was answered."""
    answered: dict[str, float] = {}
    go = threading.Event()

    def work(first: int) -> None:
        for n in range(first, 10**6, 8):
            try:
                answered[f"pump-{n}"] = node.target(f"pump-{n}", n % 100, key=f"k{n}")
            except (OSError, ValueError):  # killed before or in the middle of its answer
                return
            if len(answered) >= after:
                go.set()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    assert go.wait(60)
    node.end(signal.SIGKILL)
    for thread in threads:
        thread.join(60)
    return answered


@pytest.mark.slow
@pytest.mark.peer("postgres")
@pytest.mark.peer("pymodbus")
@pytest.mark.timeout(300)
def test_a_node_on_postgres_loses_nothing_it_answered(tmp_path, server, device):
    config, log, console = tmp_path / "n.toml", tmp_path / "log", free_port()
    config.write_text(CONFIG.format(console=console, port=server.port, device=device))
    with server:
        node = Shop(config, console, log)
        until("the alarm of a hot motor", lambda: overheats(node))
        assert node.target("main", 70.0, key="once") == 70.0
        assert node.target("main", 70.0, key="once") == 70.0  # its receipt
        answered = kill_amid_commands(node, after=40)

        node = Shop(config, console, log)
        kept = node.targets()
        assert kept["main"] == 70.0
        assert {pump: kept.get(pump) for pump in answered} == answered, "nothing lost"
        assert node.target("main", 70.0, key="once") == 70.0
        audit = node.get("/api/audit?search=pumping&limit=2000")["records"]
        assert len(audit) == len(kept), "one change, one record; a repeated key changes nothing"
        until("the alarm is still there", lambda: overheats(node))
        assert len(overheats(node)) == 1

        (tmp_path / "phrase").write_text("a passphrase for the test")
        said = baotu("backup", tmp_path / "kept", config, "--passphrase-file", tmp_path / "phrase")
        assert "pg_dump" in said
        assert "✓ 记录 Records: PostgreSQL" in baotu("doctor", "", config)

    with pytest.raises(urllib.error.HTTPError) as refused:  # the server is stopped
        node.target("late", 1.0)
    assert b"start the server" in refused.value.read()
    assert "✗ 记录 Records: records postgresql://baotu@" in baotu("doctor", "", config)
    with ModbusTcpClient("::1", port=device) as plc:
        plc.write_registers(0, [0x41A0, 0x0000])  # 20 °C while nobody can write it down
    until("the apps wait", lambda: "apps wait for the records" in log.read_text())
    with server:
        until("what happened meanwhile", lambda: not overheats(node))
        until("it is found again", lambda: node.target("late", 2.0) == 2.0)
        assert node.targets()["late"] == 2.0
        assert node.end() == 0
        with psycopg.connect(f"postgresql://baotu@/postgres?host={server.folder}&port={server.port}",
                             password=PASSWORD) as line:  # fmt: skip
            [receipts] = line.execute("SELECT count(*) FROM ledger_receipt").fetchone()
    assert receipts >= len(answered) + 1
    assert PASSWORD not in log.read_text()


def baotu(verb: str, argument: object, config: Path, *more: object) -> str:
    words = [str(argument)] if argument else []
    done = subprocess.run(
        [sys.executable, "-m", "baotu.cli", verb, *words, "--config", str(config), *map(str, more)],
        capture_output=True, text=True, timeout=60,
        env=os.environ | {"BAOTU_RECORDS_PASSWORD": PASSWORD},
    )  # fmt: skip
    assert PASSWORD not in done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.peer("postgres")
def test_a_wrong_password_is_told_and_never_shown(tmp_path, server):
    config = tmp_path / "n.toml"
    (tmp_path / "word").write_text("falsch-geheim\n")
    text = CONFIG.format(console=free_port(), port=server.port, device=1)
    config.write_text(text.replace("[[device]]", 'password_file = "word"\n[[device]]'))
    with server:
        said = baotu("run", "", config)
    assert "password authentication failed" in said and "password_file" in said
    assert "falsch" not in said and "Traceback" not in said


def test_a_missing_extra_names_what_to_install(tmp_path, monkeypatch):
    from baotu.records import RecordsSettings, open_store
    from baotu.sdk import ConfigError

    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.delitem(sys.modules, "baotu.records.postgres", raising=False)
    with pytest.raises(ConfigError, match=r"pip install 'baotu\[postgres\]'"):
        open_store(RecordsSettings(url="postgresql://li@[::1]/baotu"), tmp_path)
