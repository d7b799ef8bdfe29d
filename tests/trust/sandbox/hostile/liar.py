"""Tells what is not so: other tags, other elements, other organisations, frames that are none."""

import os
import pickle
import struct
from collections.abc import Iterator

import msgspec
import numpy as np

from baotu.sdk import (
    Alarm,
    App,
    Event,
    Evidence,
    Facts,
    Job,
    Samples,
    Window,
    Write,
    command,
    derived,
    every,
    page,
    parameter,
    stream,
    view,
)


def mine(problem: dict, stop, seed: int) -> dict:
    return problem


class Boom:
    def __reduce__(self):
        return os.system, ("touch /tmp/owned",)


FRAMES = {
    "oversized": lambda: struct.pack("<II", 1 << 31, 1 << 31),
    "endless": lambda: struct.pack("<II", 100, 0) + b"x",
    "garbage": lambda: struct.pack("<II", 64, 0) + b"\xc1" * 64,
    "pickle": lambda: struct.pack("<II", len(p := pickle.dumps(Boom())), 0) + p,
    "types": lambda: framed([1, "no", {}, 4]),
    "nested": lambda: (lambda d: struct.pack("<II", len(d), 0) + d)(b"\x91" * 100_000 + b"\x01"),
    "columns": lambda: framed([None, [["samples", [1_000_000, None]]], None, []]),
    "negative": lambda: framed([None, [["samples", [-5, None]]], None, []]),
    "trailing": lambda: framed([None, [], None, []], b"x" * 1000),
    "view": lambda: framed([{"view": "App", "of": []}, [], None, []]),
}


def framed(head, body=b""):
    text = msgspec.msgpack.encode(head)
    return struct.pack("<II", len(text), len(body)) + text + body


def line():
    """The end of its line: the only socket that it has."""
    for number in range(3, 64):
        try:
            if os.fstat(number).st_mode & 0o170000 == 0o140000:
                return number
        except OSError:
            continue


class Liar(App):
    """Says what is not so. 说谎的应用。"""

    serves = ("2.7",)
    mode = parameter("", title="方式 Mode")
    figure = derived(asset="Pump", property="figure", title="数 Figure")

    @stream(asset="Pump", property="flow")
    def hear(self, samples: Samples) -> Iterator[Alarm]:
        tag, time = int(samples.tag[0]), int(samples.time[0])
        match self.mode:
            case "other tag":
                yield Alarm(tag, time, True, "mine")
                yield Alarm(999, time, True, "not mine")
            case "no tag":
                yield Alarm(2**40, time, True, "beyond")
            case "negative tag":
                yield Alarm(-1, time, True, "the platform's own")
            case "priority":
                yield Alarm(tag, time, True, "x", priority=77)
            case "flood":
                for n in range(50_000):
                    yield Alarm(tag, time + n, bool(n % 2), "again")
            case "long":
                yield Event("x", {"text": "x" * 5_000_000})
            case "evidence":
                yield Evidence("3.3", "我很安全 I am safe")
            case "page":
                yield Evidence("2.7", "真的 Really", page="javascript:alert(1)")
            case "derives":
                yield Samples.of(tag, time, [1.0])
            case "write":
                yield Write(tag, 1.0, "because")
            case "write elsewhere":
                yield Write(100_001, 1.0, "a neighbour's")
            case "job":
                yield Job(os.system, {"command": "id"})
            case "no fact":
                yield 5
            case "honest":
                yield Alarm(tag, time, True, "mine")
            case name if name in FRAMES:
                os.write(line(), FRAMES[name]())
                if name not in ("oversized", "garbage", "pickle", "types", "nested"):
                    os.readv(line(), [bytearray(1 << 16)])
                    while True:
                        pass

    @every("1 min", asset="Pump", inputs=("flow",))
    def figures(self, window: Window) -> Iterator[Samples]:
        out = window.out["figure"] if self.mode != "window" else 1
        yield Samples.of(out, window.end, [float(np.mean(window["flow"].value))])

    @command(permission="liar.go", title="写 Write")
    def write(self, tag: int, value: float) -> Facts[int]:
        yield Write(tag, value, "someone said so")
        return 1

    @page(title="假页 No page")
    def shown(self) -> view.View:
        os.write(line(), framed([{"view": "App", "of": []}, [], None, []]))
        return view.Markdown("later")
