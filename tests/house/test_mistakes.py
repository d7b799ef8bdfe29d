"""Mistakes a person makes at the command line: one line that says what, where and what next."""

import json
import re
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET6

import pytest
import typer

from baotu.cli import app
from baotu.house.control import Control
from baotu.house.doctor import examine_house

HAN, WORD = re.compile("[\u3400-\u9fff]"), re.compile(r"[A-Za-z]{3,}")
CONFIG = """
[node]
name = "n"
[console]
listen = "[::1]:{port}"
"""
HEALTH = {"status": "degraded", "parts": {"up": 3, "down": 1}}
DEVICES = {"healths": [
    {"kind": "device", "name": "plc", "state": "down", "why": "no answer in 2 s"},
    {"kind": "edge", "name": "n", "state": "up", "why": ""},
]}  # fmt: skip


def said(*words: str) -> tuple[int, str]:
    """In a process of its own: some commands set up the log, which would outlive the test."""
    command = [sys.executable, "-m", "baotu.cli", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["config", "{}"], "cannot be read"),
        (["run", "--config", "{}"], "cannot be read"),
        (["doctor", "--config", "{}"], "cannot be read"),
        (["replay", "{}/r.csv", "--period", "x"], "'x' is not a period"),
        (["replay", "{}"], "no such file"),
        (["new", "driver", "okay", "--into", "{}/r.csv"], "Not a directory"),
        (["new", "driver", "modbus", "--into", "{}"], "modbus is installed already"),
        (["new", "app", "overheat", "--into", "{}"], "overheat is installed already"),
        (["tags", "{}/none/out.csv", "--config", "{}/n.toml"], "No such file"),
        (["export", "{}/x.csv", "--tag", "a/b", "--start", "2027-01-01", "--end", "2026-01-01",
          "--data", "{}"], "is not after start"),
        (["export", "{}/x.csv", "--tag", "a/b", "--data", "{}"], "holds no data of a node"),
        (["write", "a/b", "1", "--reason", "r", "--data", "{}/r.csv"], "no node works"),
        (["fault", "on", "leak:pump-1", "--data", "{}"], "baotu run"),
        (["call", "pumping.nothing", "--data", "{}"], "baotu run"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_and_no_traceback(tmp_path, words, told):
    (tmp_path / "r.csv").write_text("time,flow\n2026-01-01T00:00:00Z,1\n")
    (tmp_path / "n.toml").write_text(CONFIG.format(port=1))
    status, output = said(*(word.format(tmp_path) for word in words))

    assert status in (1, 2)
    assert told in output and "Traceback" not in output


@pytest.mark.parametrize(
    ("words", "chinese", "english", "way"),
    [
        ("run --nope", "没有选项 --nope", "No such option: --nope", "baotu run"),
        ("run --rolle all", "没有选项 --rolle", "No such option: --rolle", "baotu run"),
        ("runn", "没有命令 'runn'", "No such command 'runn'", "baotu"),
        ("new drivr x", "没有命令 'drivr'", "No such command 'drivr'", "baotu new"),
        ("export", "缺少参数 'out'", "Missing argument 'out'", "baotu export"),
        ("export a.csv", "缺少选项 '--tag'", "Missing option '--tag'", "baotu export"),
        ("doctor a b", "多出了参数（a b）", "unexpected extra argument", "baotu doctor"),
        ("doctor a", "多出了参数（a）", "unexpected extra argument", "baotu doctor"),
        ("doctor --config", "选项 '--config' 后面缺少值", "requires an argument", "baotu"),
        ("demo --seconds x", "'--seconds' 的值不对：应为数", "Invalid value", "baotu demo"),
        ("bench --quick=1", "选项 '--quick' 不带值", "does not take a value", "baotu"),
    ],
)
def test_misuse_is_told_in_both_languages_with_the_way_on(words, chinese, english, way):
    status, output = said(*words.split())

    first, second, *more = output.splitlines()
    assert (status, more) == (2, [])
    assert first.startswith(f"baotu: {chinese}") and f"用法见 {way} --help" in first
    assert english in second and second.endswith(f"see {way} --help")
    assert not HAN.search(second)


def commands(group, name="baotu"):
    for word, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{name} {word}")
        yield f"{name} {word}", command


def test_every_command_and_option_is_explained_in_both_languages():
    lacking = []
    for name, command in commands(typer.main.get_command(app)):
        told = {name: command.help, **{f"{name} {p.name}": p.help for p in command.params}}
        lacking += [
            where
            for where, text in told.items()
            if not (HAN.search(text or "") and WORD.search(text or ""))
        ]
    assert not lacking


class Node(BaseHTTPRequestHandler):
    answers = {"/api/health": HEALTH, "/api/devices": DEVICES}

    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(self.answers[self.path]).encode())

    def log_message(self, *_):
        """Nothing of it belongs into the output of the tests."""


@contextmanager
def node():
    class Server(ThreadingHTTPServer):
        address_family = AF_INET6

    with Server(("::1", 0), Node) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def test_the_doctor_tells_what_is_ill_in_a_running_node(tmp_path):
    (tmp_path / "data").mkdir(exist_ok=True)
    told = Control(
        tmp_path / "data", {"status": lambda: {"down": ["device/plc: no answer in 2 s"]}}
    )
    try:
        with node() as port:
            (tmp_path / "n.toml").write_text(CONFIG.format(port=port))
            found = {f.about: f for f in examine_house(tmp_path / "n.toml")}
    finally:
        told.close()

    assert (found["device plc"].state, found["device plc"].found) == ("warning", "no answer in 2 s")
    assert "edge n" not in found
    assert f"a node answers at [::1]:{port}: degraded" in found["运行 Running"].found
