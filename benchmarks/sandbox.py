"""What it costs that a third-party app has a process of its own, confined.

`python benchmarks/sandbox.py [--quick] [--json]`

The same app (two thresholds a tag, one alarm when it is crossed; one command that answers) runs here
and confined, through the same handler of the kernel. Calls alternate, so both see the same machine;
figures are medians. Memory is what `/proc/<pid>/smaps_rollup` says that a process has for itself.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from _house import bar, tell

from baotu.kernel.handlers import Handler, all_handlers
from baotu.kernel.registry import apps_of, load_file
from baotu.kernel.sandbox.facts import Sight
from baotu.kernel.sandbox.remote import Bounds, Remote, remote_app
from baotu.kernel.sandbox.source import Source, examine
from baotu.sdk import Samples
from baotu.trust.sandbox import Launcher

APP = '''
from collections.abc import Iterator
from baotu.sdk import Alarm, App, Hysteresis, Samples, command, per_tag, stream

class Watch(App):
    """Tells when it is hot. 过热时报警。"""

    def start(self) -> None:
        self.level = per_tag(Hysteresis, high=90.0, low=80.0)

    @stream(asset="Motor", property="temperature")
    def hear(self, samples: Samples) -> Iterator[Alarm]:
        for edge in self.level.edges(samples.good()):
            yield Alarm(edge.tag, edge.time, edge.high, f"{edge.value:.1f}")

    @command(permission="watch.say", title="说 Say")
    def say(self, words: str) -> str:
        return words
'''
TAGS, AT_ONCE, APPS = 100, 10_000, 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "watch.py"
        file.write_text(APP, encoding="utf-8")
        figures = measured(file, 30 if options.quick else 200)
    quick = options.quick
    bars = [
        bar("samples a second through a confined app", figures["confined_samples_s"], ">=", 1e6, quick),
        bar("samples for a second of processor, confined", figures["confined_samples_cpu_s"], ">=", 1e6, quick),
        bar("a call of a confined app, more than in the hub, p50 ms", figures["call_extra_ms"], "<=", 1.0, quick),
        bar("memory of its process alone, MB", figures["private_mb"], "<=", 40.0, quick),
    ]  # fmt: skip
    tell("sandbox", figures, bars, options.json)


def measured(file: Path, rounds: int) -> dict[str, Any]:
    launcher = Launcher()
    began = time.monotonic()
    confined_by = launcher.confined()
    zygote_s = time.monotonic() - began
    source = Source(name="watch", file=file)
    [manifest] = examine(launcher, source)
    [kind] = apps_of(load_file(file))
    remotes = [made(launcher, source, manifest) for _ in range(APPS)]
    here, there = handlers(kind()), handlers(remote_app(remotes[0]))
    starts = [started(remote) for remote in remotes]
    rates = streamed(here["hear"], there["hear"], rounds, remotes[0])
    calls = called(here["say"], there["say"], rounds * 10)
    figures = [remote.process.figures() for remote in remotes if remote.process]
    for remote in remotes:
        remote.close()
    launcher.stop()
    return {
        "confined_by": ", ".join(confined_by),
        "zygote_start_s": round(zygote_s, 3),
        "app_start_ms": round(statistics.median(starts) * 1e3, 1),
        "hub_samples_s": round(rates[0]),
        "confined_samples_s": round(rates[1]),
        "hub_samples_cpu_s": round(rates[2]),
        "confined_samples_cpu_s": round(rates[3]),
        "call_in_hub_ms": round(calls[0] * 1e3, 4),
        "call_confined_ms": round(calls[1] * 1e3, 4),
        "call_extra_ms": round((calls[1] - calls[0]) * 1e3, 4),
        "private_mb": round(statistics.median(one["private_mb"] for one in figures), 1),
        "rss_mb": round(statistics.median(one["rss_mb"] for one in figures), 1),
    }


def made(launcher: Launcher, source: Source, manifest: Any) -> Remote:
    one = Remote(launcher, source, manifest, {}, Bounds(call_s=30.0))
    one.sight = lambda call, window: Sight(
        app="watch", listens=frozenset(range(TAGS)), within=lambda tag: True, out=frozenset(),
        serves=frozenset(), solvers={},
    )  # fmt: skip
    return one


def handlers(app: Any) -> dict[str, Handler]:
    return {handler.verb.name: handler for handler in all_handlers([app]).values()}


def started(remote: Remote) -> float:
    began = time.monotonic()
    remote.revive()
    return time.monotonic() - began


def streamed(here: Handler, there: Handler, rounds: int, remote: Remote) -> list[float]:
    """Samples a second, here and confined, by the median time of a part of them; then samples for
    a second of processor, of hub and app together: other work on the machine does not change it."""
    spent = [0.0, 0.0]
    before = cpu(remote)
    rng = np.random.default_rng(1)
    took: tuple[list[float], list[float]] = ([], [])
    for n in range(rounds):
        times = (n * AT_ONCE + np.arange(AT_ONCE)) * 10**6
        values = rng.normal(60.0, 8.0, AT_ONCE)
        part = Samples.of(np.arange(AT_ONCE) % TAGS, times, values)
        facts = []
        for place, handler in enumerate((here, there)):
            began, used = time.perf_counter(), time.process_time()
            facts.append(handler.run({}, {Samples: part})[1])
            took[place].append(time.perf_counter() - began)
            spent[place] += time.process_time() - used
        assert facts[0] == facts[1]
    spent[1] += cpu(remote) - before
    return [
        *(AT_ONCE / statistics.median(one) for one in took),
        *(AT_ONCE * rounds / one for one in spent),
    ]


def cpu(remote: Remote) -> float:
    return remote.process.figures()["cpu_s"] if remote.process else 0.0


def called(here: Handler, there: Handler, rounds: int) -> tuple[float, float]:
    took: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for place, handler in enumerate((here, there)):
            began = time.perf_counter()
            given = handler.signature.parse({"words": "hello"})
            answer, _ = handler.run(given, {})
            assert handler.signature.dump(answer) == "hello"
            took[place].append(time.perf_counter() - began)
    return statistics.median(took[0]), statistics.median(took[1])


if __name__ == "__main__":
    main()
