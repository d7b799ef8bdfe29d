"""The process of an app: loads its code, runs its handlers, answers the hub. Trusted by nobody.

Whatever an app does to this process, the hub reads bytes from its line and nothing else.
"""

from __future__ import annotations

import importlib
import os
import select
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from baotu.kernel.handlers import Handler, handlers_of, path_of
from baotu.kernel.registry import apps_of, load_file
from baotu.sdk import (
    Alarm,
    App,
    Call,
    Caller,
    Denied,
    Event,
    Evidence,
    Fact,
    Invalid,
    Job,
    Samples,
    Window,
    Write,
)

from . import frames, manifest, views
from .frames import Answer, Ask, Called, Wrong
from .watch import Watch

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TRACE = 4000  # characters


def prepare() -> None:
    """In the zygote, before any fork: what every app needs."""
    sys.dont_write_bytecode = True
    for name in ("numpy.random", "decimal", "json", "baotu.kernel.worker"):
        importlib.import_module(name)


def serve(line: int, spec: Mapping[str, Any]) -> None:
    """Until the hub closes the line. spec: what to load, see `loaded`; what for."""
    end = End(line)
    if spec["do"] == "solve":
        return solve(end, spec)
    watch = Watch(spec.get("readable", ()))
    sys.addaudithook(watch.heard)
    try:
        kinds = loaded(spec)
        if spec["do"] == "describe":
            end.tell(manifest.Manifests([manifest.described(kind) for kind in kinds]))
            return None
        kind = next(kind for kind in kinds if kind.name() == spec["app"])
        app = kind(**spec["settings"])
        found = {handler.verb.name: handler for handler in handlers_of(app)}
    except BaseException as error:  # noqa: BLE001 - told to the hub
        return fail(line, error)
    end.tell(manifest.Manifests([]))
    while (parts := end.heard()) is not None:
        asked = frames.decoded(parts[0], Ask)
        answer, columns = answered(found[asked.handler], asked, frames.Reader(parts[1]))
        answer.tried = watch.take()
        end.tell(answer, columns)
    return None


def live(line: int, spec: Mapping[str, Any] | None, shut: Callable[[], None]) -> int:
    """A whole life, from giving everything up to the end; the exit code. No spec: only a trial."""
    try:
        shut()
        if spec is None:
            os.write(line, b"+")
        else:
            serve(line, spec)
    except BaseException as error:  # noqa: BLE001 - told to the hub
        if spec is not None:
            fail(line, error, spec["do"])
        return 1
    return 0


def fail(line: int, error: BaseException, do: str = "serve") -> None:
    """Why it does not begin."""
    why = f"{type(error).__name__}: {error}"[:TRACE]
    End(line).tell(Progress("failed", why) if do == "solve" else manifest.Manifests([], wrong=why))


def loaded(spec: Mapping[str, Any]) -> list[type[App]]:
    """Apps of a file, or the one of an entry point `module:name`."""
    if spec["file"]:
        return apps_of(load_file(Path(spec["file"])))
    module, _, name = spec["point"].partition(":")
    kind = getattr(importlib.import_module(module), name)
    if not (isinstance(kind, type) and issubclass(kind, App)):
        raise TypeError(f"{spec['point']} is not an App")
    return [kind]


def answered(handler: Handler, asked: Ask, reader: frames.Reader) -> tuple[Answer, Sequence[Any]]:
    """Run it; whatever it raises becomes an answer."""
    phase, facts = "parse", Facts()
    try:
        gifts = given(asked, reader)
        arguments = handler.signature.parse(asked.arguments)
        phase = "run"
        value, told = handler.run(arguments, gifts)
        if handler.mark.kind == "page":
            value = views.tree_of(value)
        elif handler.mark.kind in ("command", "query"):
            value = handler.signature.dump(value)
        else:
            value = None
        return Answer(value, [facts.told(fact) for fact in told]), facts.columns
    except MemoryError:
        wrong = Wrong("MemoryError", "needs more memory than it may have", phase="run")
    except Invalid as error:
        wrong = Wrong(type(error).__name__, error.why, error.field, phase=phase)  # type: ignore[arg-type]
    except Denied as error:
        wrong = Wrong("Denied", str(error))
    except Exception as error:  # noqa: BLE001 - the app's bug, told to the hub
        wrong = Wrong(type(error).__name__, str(error)[:TRACE], trace=traced(error))
    return Answer(wrong=wrong), ()


def traced(error: Exception) -> str:
    from baotu.kernel.blame import frames as lines

    return lines(error)[-TRACE:]


def given(asked: Ask, reader: frames.Reader) -> dict[type, Any]:
    gifts: dict[type, Any] = {}
    if asked.call is not None:
        gifts[Call] = call_of(asked.call)
    if asked.samples is not None:
        gifts[Samples] = reader.take(asked.samples)
    if asked.window is not None:
        told = asked.window
        gifts[Window] = Window(
            asset=told.asset, start=told.start, end=told.end, out=told.out, again=told.again,
            samples={name: reader.take(columns) for name, columns in told.samples.items()},
        )  # fmt: skip
    return gifts


def call_of(told: Called) -> Call:
    caller = Caller(
        told.caller, told.organisation, frozenset(told.permissions), frozenset(told.roles),
        told.kind, told.via,  # type: ignore[arg-type] # as the hub has it
    )  # fmt: skip
    return Call(caller, EPOCH + timedelta(microseconds=told.now), told.key, told.late)


class Facts:
    """Facts as they are told, their columns put aside."""

    def __init__(self) -> None:
        self.columns: list[np.ndarray] = []

    def told(self, fact: Fact) -> frames.Told:
        match fact:
            case Alarm():
                return frames.Raised(
                    int(fact.tag), int(fact.time), bool(fact.active), fact.message, fact.kind,
                    int(fact.priority),
                )  # fmt: skip
            case Samples():
                columns, arrays = frames.split(fact)
                self.columns += arrays
                return frames.Derived(columns)
            case Event():
                return frames.Happened(fact.kind, {k: plain(v) for k, v in fact.data.items()})
            case Write():
                return frames.Wished(
                    int(fact.tag), plain(fact.value), fact.reason, float(fact.expires_s),
                    [int(tag) for tag in fact.evidence],
                )  # fmt: skip
            case Job():
                from pydantic import TypeAdapter

                problem = TypeAdapter(type(fact.problem)).dump_json(fact.problem).decode()
                return frames.Queued(path_of(fact.solve), problem, int(fact.seed))
            case Evidence():
                figures = {k: plain(v) for k, v in fact.figures.items()}
                return frames.Proved(fact.element, fact.claim, figures, fact.page)
        raise Invalid("fact", f"the app yielded {type(fact).__name__}, which is no fact")


def plain(value: Any) -> frames.Plain:
    """A numpy scalar as what it is in Python."""
    return value.item() if isinstance(value, np.generic) else value


class End:
    """The app's end of the line: only `read` and `write`, which is all that it may call."""

    def __init__(self, line: int) -> None:
        self.line = line

    def tell(self, head: msgspec.Struct, columns: Sequence[np.ndarray] = ()) -> None:
        for part in frames.encoded(head, columns):
            left = memoryview(part)
            while len(left):
                left = left[os.write(self.line, left) :]

    def heard(self) -> tuple[memoryview, memoryview] | None:
        """The next frame; None at the end."""
        lengths = self._exactly(frames.LENGTHS.size)
        if lengths is None:
            return None
        head, body = frames.LENGTHS.unpack(lengths)
        whole = self._exactly(head + body)
        return None if whole is None else (whole[:head], whole[head:])

    def _exactly(self, size: int) -> memoryview | None:
        whole = memoryview(bytearray(size))
        at = 0
        while at < size:
            count = os.readv(self.line, [whole[at:]])
            if not count:
                return None
            at += count
        return whole


# -- jobs -------------------------------------------------------------------------------------


class Progress(msgspec.Struct, array_like=True):
    """kind: progress, done or failed. value: how far, the result, or why."""

    kind: str
    value: Any


def solve(end: End, spec: Mapping[str, Any]) -> None:
    """Run a solver of the app; a byte on the line is the wish to stop."""
    from baotu.kernel.worker import solved

    wished = False

    def stop(progress: float) -> bool:
        nonlocal wished
        end.tell(Progress("progress", float(progress)))
        if not wished and select.select([end.line], (), (), 0)[0]:
            wished = bool(os.read(end.line, 1))
        return wished

    try:
        if spec["file"]:
            load_file(Path(spec["file"]))
        end.tell(Progress("done", solved(spec["solve"], spec["problem"], spec["seed"], stop)))
    except MemoryError:
        end.tell(Progress("failed", "needs more memory than it may have; raise [jobs] memory_mb"))
    except Exception as error:  # noqa: BLE001 - it is told, not swallowed
        end.tell(Progress("failed", f"{type(error).__name__}: {error}"[:TRACE]))
