"""Starts the demo plant and says, in one line of JSON on stdout, when and where it can be reached.

python -m baotu_plant --config-out out --fault bearing_wear:pump-1@60s
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import signal
import sys
import tempfile
from pathlib import Path

from . import picture
from .broker import BrokerError, die_with_parent
from .config import default_ports, write
from .faults import Faults, Planned, UnknownFault, planned
from .layout import Layout
from .plant import Options, Plant
from .points import Points

DEFAULT_BASE = 25020  # of the configuration that lies beside this package


def main(arguments: list[str] | None = None) -> int:
    asked = _parser().parse_args(arguments)
    if asked.list_faults:
        for fault in Faults(Points(Layout())):
            sys.stdout.write(f"{fault.name:32} {fault.title}\n")
        return 0
    if asked.write_default:
        folder = Path(asked.write_default)
        write(folder, default_ports(DEFAULT_BASE))
        (folder / "plant.svg").write_text(picture.svg(), encoding="utf-8")
        return 0
    if asked.with_parent:
        die_with_parent()
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    try:
        faults = [_known(planned(text)) for text in asked.fault]
        with tempfile.TemporaryDirectory(prefix="baotu-plant-") as work:
            asyncio.run(_live(_options(asked, faults, Path(work))))
    except (BrokerError, UnknownFault, ValueError, OSError, OverflowError) as error:
        sys.stderr.write(f"baotu_plant: {error}\n")
        return 1
    return 0


async def _live(options: Options) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with Plant(options) as plant:
        running = asyncio.create_task(plant.run())
        ready = {
            "ready": True,
            "ports": plant.ports.told(),
            "config": str(plant.config) if plant.config else "",
        }
        sys.stdout.write(json.dumps(ready) + "\n")
        sys.stdout.flush()
        ended = asyncio.create_task(stop.wait())
        await asyncio.wait({running, ended}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
        running.cancel()
        await asyncio.wait({running})


def _options(asked: argparse.Namespace, faults: list[Planned], work: Path) -> Options:
    return Options(
        host=asked.host,
        base_port=asked.base_port,
        seed=asked.seed,
        broker=asked.broker,
        control=asked.control,
        config_out=Path(asked.config_out).resolve() if asked.config_out else None,
        work=work,
        data=asked.data,
        faults=faults,
    )


def _known(fault: Planned) -> Planned:
    Faults(Points(Layout())).find(fault.name)
    return fault


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m baotu_plant",
        description="演示工厂 A small foundry that speaks its protocols",
    )
    add = parser.add_argument
    add("--host", default="::1", help="listen here, without brackets (default ::1)")
    add("--base-port", type=int, default=0, help="first of ten ports; 0: free ones everywhere")
    add("--config-out", default="", help="folder for plant.toml and its tag files")
    add("--data", default="data", help="data folder that plant.toml names")
    add("--seed", type=int, default=1, help="of the simulation (default 1)")
    add("--broker", choices=("auto", "mosquitto", "amqtt"), default="auto")
    add("--control", default="", help="[::1]:port or the path of a Unix socket")
    add("--fault", action="append", default=[], metavar="KIND:MACHINE[*SEVERITY][@SECONDS]")
    add("--with-parent", action="store_true", help="end when the starting program ends (Linux)")
    add("--list-faults", action="store_true", help="print all switches and end")
    add("--write-default", default="", metavar="DIR", help="write the committed files and end")
    return parser


if __name__ == "__main__":
    sys.exit(main())
