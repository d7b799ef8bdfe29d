"""The worker process of a job: reads its problem, solves it within its limits, tells the result."""

from __future__ import annotations

import importlib
import resource
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from typing import Any, get_type_hints

from pydantic import TypeAdapter


def solved(path: str, problem: str, seed: int, stop: Callable[[float], bool]) -> Any:
    """Load `module:function`, read its problem, run it; the result as plain JSON.

    stop: told 0.0 once everything is loaded, then what the solver tells it.
    """
    module, _, name = path.partition(":")
    solve = getattr(importlib.import_module(module), name)
    hints = get_type_hints(solve)
    given = TypeAdapter(hints["problem"]).validate_json(problem)
    stop(0.0)
    result = solve(given, stop, seed)
    return TypeAdapter(hints["return"]).dump_python(result, mode="json")


def work(
    pipe: Connection,
    cancel: Event,
    task: tuple[str, str, int],
    limits: tuple[int, int],
    places: list[str],
) -> None:
    """Sends ("progress", x)*, then ("done", result) or ("failed", why). Runs in a new process.

    limits: bytes of data, seconds of processor. places: where modules are looked for.
    """
    sys.path[:] = places
    memory, seconds = limits
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    def stop(progress: float) -> bool:
        pipe.send(("progress", float(progress)))
        return cancel.is_set()

    try:
        pipe.send(("done", solved(*task, stop)))
    except MemoryError:
        pipe.send(("failed", f"needs more than {memory >> 20} MB; raise [jobs] memory_mb"))
    except Exception as error:  # noqa: BLE001 - it is told, not swallowed
        pipe.send(("failed", f"{type(error).__name__}: {error}"))
