"""`baotu demo` and `baotu replay`: a plant that is not there, read by the platform that is."""

from __future__ import annotations

import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from importlib import import_module
from pathlib import Path
from typing import IO, Any

import msgspec

from baotu.kernel.config import literal
from baotu.sdk import ConfigError, Invalid, Unreachable
from baotu.sdk.app import seconds as seconds_of
from baotu.sdk.trust import ROLES
from baotu.trust.secrets import Scrubber

from .file import HouseConfig, load
from .node import Node
from .plantfaults import PlantFaults
from .run import adjusted, say, set_up_log, until_told
from .web import bound

READY_S = 60.0
PEOPLE = (  # name, title, role: of the demo plant; the first is who opens it
    ("wang", "王工 Wang", "engineer"),
    ("li", "李师傅 Li", "operator"),
    ("zhao", "赵管理员 Zhao", "system_admin"),
    ("qian", "钱安全 Qian", "security_admin"),
    ("sun", "孙审计 Sun", "audit_admin"),
)
END_S = 5.0
BRIDGES = """
# 桥接 Bridging: everything that is read is offered again as OPC UA and as Sparkplug B.
[[server]]
name = "opcua-out"
driver = "opcua"
{opcua}

[[server]]
name = "sparkplug-out"
driver = "sparkplug"
{sparkplug}
"""


class PlantProcess:
    """The demo plant in a process of its own: the platform knows it by its protocols alone."""

    def __init__(self, folder: Path, faults: Sequence[str] = ()) -> None:
        self._folder, self._faults = folder, faults
        self._process: subprocess.Popen[str] | None = None
        self._lines: queue.Queue[str] = queue.Queue()

    def start(self) -> dict[str, Any]:
        """What it said when it was ready: `ports`, `config`. Raises Unreachable."""
        command = [sys.executable, "-m", "baotu_plant", "--config-out", str(self._folder)]
        command += ["--data", str(self._folder / "data"), "--control", "[::1]:0", "--with-parent"]
        for fault in self._faults:
            command += ["--fault", fault]
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert self._process.stdout is not None
        threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True).start()
        try:
            line = self._lines.get(timeout=READY_S)
        except queue.Empty:
            line = ""
        if not line:
            self.stop()
            raise Unreachable("the demo plant did not start; what it said stands above")
        return msgspec.json.decode(line, type=dict[str, Any])

    def stop(self) -> None:
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(END_S)

    def _read(self, lines: IO[str]) -> None:
        for line in lines:
            self._lines.put(line)
        self._lines.put("")


def run_demo(data: Path, listen: str, faults: Sequence[str], seconds: float) -> None:
    """Plant and platform, until Ctrl-C. Data under `data` survive a restart."""
    scrubber = Scrubber()
    set_up_log(scrubber=scrubber)
    folder = data.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    say("启动示例工厂 starting the demo plant …")
    plant = PlantProcess(folder / "plant", faults)
    try:
        ready = plant.start()
        path = Path(ready["config"])
        with path.open("a", encoding="utf-8") as file:
            file.write(bridges(int(ready["ports"]["mqtt"])))
        config = adjusted(load(path, data=folder / "data"), "all", listen)
        faults_ = PlantFaults(str(ready["ports"]["control"]))
        node = Node(without_phones(config), faults=faults_, scrubber=scrubber)
        say("启动平台 starting the platform …")
        until_told(node, _visitors, seconds)
    finally:
        plant.stop()


def bridges(mqtt: int) -> str:
    """The way out of the demo, as text of the configuration."""
    opcua = f'endpoint = "opc.tcp://[::1]:{free_port()}"'
    sparkplug = f'host = "::1"\nport = {mqtt}\ngroup = "baotu"\nnode = "demo"'
    return BRIDGES.format(opcua=opcua, sparkplug=sparkplug)


def free_port() -> int:
    with bound("::1", 0) as probe:
        return int(probe.getsockname()[1])


def without_phones(config: HouseConfig) -> HouseConfig:
    """People of the demo are made up: none has a phone that shows codes."""
    people = replace(config.basics.people, second_factor=())
    return replace(config, basics=replace(config.basics, people=people))


def _visitors(node: Node) -> None:
    """One address to open; below it, one for each of the other people of this plant."""
    assert node.doorway is not None
    node.doorway.visits = True
    (title, role, address), *others = node.doorway.visitors(PEOPLE)
    say(f"\n  趵突 Baotu  {node.address}\n\n  打开 Open  {address}")
    say(f"             {title}, {ROLES[role].title}\n")
    say("  其他人，每个链接一次有效 Other people; each link is good once:")
    for title, role, address in others:
        say(f"    {address}\n        {title}, {ROLES[role].title}")
    again = f"baotu account link NAME --data {node.config.basics.node.data}"
    say(f"\n  再要一个 Another one: {again}\n  Ctrl-C 停止 stops it.\n")


def _welcome(node: Node) -> None:
    """A replay is a node like any other: its first administrator begins with a link."""
    say(f"\n  趵突 Baotu  {node.address}\n")
    if node.doorway is not None and (first := node.doorway.first()):
        say(f"  打开 Open  {first}\n")
    say("  Ctrl-C 停止 stops it.\n")


def run_replay(
    file: Path, speed: float, data: Path, listen: str, loop: bool, once: bool, period: str
) -> None:
    """Play a recorded file through driver, link, history and console."""
    scrubber = Scrubber()
    set_up_log(scrubber=scrubber)
    if not file.is_file():
        raise ConfigError("没有这个文件 no such file", str(file), "name a recorded file")
    try:
        row_s = seconds_of(period)
    except ValueError as error:
        raise Invalid("--period", str(error)) from None
    spec_for = import_module("baotu.drivers.replay").spec_for  # found by name, like every plugin
    spec = spec_for(file.absolute(), speed=speed, loop=loop, row_s=row_s)
    folder = data.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "replay.toml"
    path.write_text("\n".join(_replay_lines(file, spec)) + "\n", encoding="utf-8")
    node = Node(adjusted(load(path, data=folder / "data"), "all", listen), scrubber=scrubber)
    until_told(node, _welcome, over=lambda: once and _played(node, spec.name))


def _played(node: Node, device: str) -> bool:
    """Whether the file is over and every sample of it is in history."""
    state = {(h.kind, h.name): h.figures for h in node.board.healths()}
    waiting = state.get(("link", "replay"), {}).get("waiting", 1)
    return state.get(("device", device), {}).get("state") == "finished" and waiting == 0


def _replay_lines(file: Path, spec: Any) -> Iterator[str]:
    """A whole configuration for one recorded file, so that the replay is a node like any other."""
    yield from ("[node]", 'name = "replay"', f"title = {literal('回放 Replay ' + file.name)}", "")
    yield from ("[[device]]", f"name = {literal(spec.name)}", 'driver = "replay"')
    for line in fields(spec.settings):
        value = getattr(spec.settings, line.name)
        if value != line.default:
            yield f"{line.name} = {literal(value)}"
    for tag in spec.tags:
        yield from ("", "[[device.tag]]")
        for key in ("asset", "property", "address", "kind", "unit", "title"):
            if value := getattr(tag, key):
                yield f"{key} = {literal(value)}"
