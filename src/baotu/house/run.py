"""Runs a node until it is told to stop: signals in, words out."""

from __future__ import annotations

import gc
import logging
import math
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import cast

import structlog

from baotu.sdk import ConfigError
from baotu.trust.secrets import Scrubber

from .file import HouseConfig, load
from .memory import few_arenas, large_ones_apart, no_search_through_all_objects, settle
from .node import Node
from .settings import Role, address

ROLES = ("all", "edge", "hub")
SETTLED_S = 30.0  # by then devices are connected and servers are up


def run_node(path: Path, role: str, data: Path | None, listen: str) -> None:
    """`baotu run`: raises ConfigError before anything has started."""
    scrubber = Scrubber()
    set_up_log(scrubber=scrubber)
    no_core_dumps()
    config = adjusted(load(path, data=data), role, listen)
    for warning in config.warnings:
        say(f"! {warning}")
    until_told(Node(config, scrubber=scrubber), _ready)


def _ready(node: Node) -> None:
    say(f"趵突 Baotu: {node.address or 'edge ' + node.config.basics.node.name}")
    if node.doorway is not None and (first := node.doorway.first()):
        say(
            "还没有账户。第一位管理员从这里开始（一次有效） There is no account yet. The first "
            f"administrator begins here (good once):\n  {first}"
        )


def adjusted(config: HouseConfig, role: str = "", listen: str = "") -> HouseConfig:
    """The same with what the command line said before the file. Raises ConfigError."""
    node, console = config.basics.node, config.basics.console
    if role and role not in ROLES:
        raise ConfigError(f"{role!r} is no role", "--role", f"one of {', '.join(ROLES)}")
    if listen:
        address(listen)
        console = replace(console, listen=listen)
    node = replace(node, role=cast(Role, role) if role else node.role)
    return replace(config, basics=replace(config.basics, node=node, console=console))


def until_told(
    node: Node,
    ready: Callable[[Node], None],
    seconds: float = 0.0,
    over: Callable[[], bool] = lambda: False,
) -> None:
    """Start, say so, wait for Ctrl-C or SIGTERM (or this long, or until it is `over`), stop.

    A second Ctrl-C ends at once.
    """
    few_arenas()
    large_ones_apart()
    no_search_through_all_objects()
    asked: list[int] = []

    def tell(number: int, frame: FrameType | None) -> None:
        """No lock in here: it runs between any two steps of the main thread."""
        if asked:
            raise KeyboardInterrupt
        asked.append(number)

    before = {number: signal.signal(number, tell) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        node.start()
        gc.collect()
        gc.freeze()  # a collection that walks everything made at the start pauses ticks by 0.1 s
        ready(node)
        _wait(lambda: bool(asked) or over(), seconds)
        say("停止中 stopping …")
    finally:
        node.stop()
        gc.unfreeze()
        gc.collect()  # else libraries complain of what is left when the interpreter ends
        for number, handler in before.items():
            signal.signal(number, handler)


def _wait(ended: Callable[[], bool], seconds: float) -> None:
    """In short sleeps: a signal that another thread caught does not wake the main one."""
    began, never, settled = time.monotonic(), threading.Event(), False
    while not ended() and time.monotonic() < began + (seconds or math.inf):
        never.wait(0.2)
        if not settled and time.monotonic() > began + SETTLED_S:
            settled = True
            settle()


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def no_core_dumps() -> None:
    """A core dump holds every secret that is in use."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def set_up_log(level: int = logging.INFO, scrubber: Scrubber | None = None) -> None:
    """Logs to standard error, one line each; libraries only when something is wrong.

    scrubber: takes secrets out of everything that is logged, and of the last traceback.
    """
    scrubber = scrubber or Scrubber()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(scrubber.formatter("%(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    scrubber.watch_programs_end()
    for name in ("asyncua", "amqtt", "transitions"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # they log what they raise, and we tell
    structlog.configure(
        processors=[
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            scrubber,
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
