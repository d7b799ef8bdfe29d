"""From what the benchmarks print to `results.json` and `RESULTS.md`. Pure: no clock, no file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Raw = Any
Bar = dict[str, Any]
HEAD = """# Measured

Written by `make bench`; not by hand. One benchmark after the other on one machine; a figure without
a bar is told below. A bar that is not met says why. `baotu bench NAME` runs one of them.
"""


@dataclass(frozen=True, kw_only=True)
class Line:
    """What a report says beside a bar: a figure of others, and why it is not met where it is not."""

    reference: str = ""
    cause: str = ""


# benchmark → begin of the bar's words → what to say beside it
BESIDE: dict[str, dict[str, Line]] = {
    "path": {
        "Modbus tags/s": Line(
            reference="ThingsBoard gateway 6,800/s; Neuron (C) 100 k at 30 % of 4 cores"
        ),
        "memory of the node, 100,000": Line(
            cause="a node without a tag takes 174 MB (73 of it the libraries' files), the rest is "
            "DuckDB's cache, some 20 MB of tag tables and what a second of samples needs on its way"
        ),
        "memory of the node": Line(
            cause="console, OPC UA and apps are in the same process; imports alone take 125 MB"
        ),
        "commit p99": Line(
            cause="other programs on the two cores: see the load; a tick commits all tags at once"
        ),
    },
    "opcua_path": {"OPC UA": Line(reference="asyncua alone lags at 6,000/s, say its users")},
    "history": {
        "durable append": Line(
            reference="VictoriaMetrics 1.2–3.9 M/s, not fsynced, 42 MB",
            cause="append, reader and keeper share two cores; two runs of 60 M gave 1.59 and 1.65 M/s "
            "on the same day",
        ),
        "one tag of 60 M": Line(
            reference="our proof 13 ms",
            cause="a dozen files are read, about 1 ms each, beside hot tables",
        ),
        "stretch": Line(cause="a stretch: DuckDB's insert and compaction share two cores"),
        "bytes/value": Line(reference="VictoriaMetrics 0.76; entropy of the data 0.73"),
        "latest": Line(reference="VictoriaMetrics 142–1,083 ms over HTTP"),
    },
    "sandbox": {
        "samples a second": Line(
            cause="each part is one turn of the scheduler there and one back: see the load"
        )
    },
    "http_api": {
        "latest": Line(reference="VictoriaMetrics 142–1,083 ms"),
        "60 k": Line(
            reference="our proof 13 ms in process",
            cause="a dozen files are read, about 1 ms each, beside hot tables",
        ),
    },
    "latency": {
        "device to": Line(
            cause="sum of the waits on the way: poll 100 ms, collecting 50, fsync 20, channel 100"
        ),
        "device to Chromium, every": Line(
            cause="a tag that keeps moving is painted at most every 450 ms"
        ),
    },
    "commands": {
        "commands/s": Line(
            reference="the sketch 440/s, bound by the ORM",
            cause="bound by one core (`cpu_us` a call) and by what others leave of it: see the load",
        ),
        "queries/s": Line(
            reference="the sketch 1,500/s",
            cause="bound by one core (`cpu_us` a call) and by what others leave of it: see the load",
        ),
    },
    "audit": {
        "inclusion proof": Line(
            cause="a tile that is not in memory is 247 hashes; other programs on the two cores: "
            "compare with the processor time"
        ),
        "of ": Line(
            reference="immudb's audit compares roots and hashes no stored row (issue 2063)"
        ),
    },
    "est": {
        "EST enrolments": Line(
            cause="clients and server share two cores: see `server_cpu_ms` for the server's half, and the load",
        ),
    },
    "policy": {
        "a check never": Line(
            reference="casbin 50–300 ms of processor at 100,000 rules: it looks through all",
            cause="what others leave of two cores: see the load, and `check_ms_cpu_p99`",
        ),
        "list the": Line(
            reference="casbin 1.2 s at 1.6 M rules",
            cause="what others leave of two cores: see the load, and `list_…_cpu_p99`",
        ),
        "a check that": Line(cause="what others leave of two cores: see the load"),
    },
    "modbus": {"Modbus": Line(reference="pymodbus 6 k requests/s")},
}


def adapted(name: str, raw: Raw, quick: bool = False) -> dict[str, Any]:
    """`{"name", "figures", "bars"}` of whatever a benchmark printed."""
    if isinstance(raw, dict) and "bars" in raw:
        return raw
    judge = JUDGES.get(name)
    return {"name": name, "figures": raw, "bars": list(judge(raw, quick)) if judge else []}


def commands(rows: Sequence[Mapping[str, Any]], quick: bool) -> Iterator[Bar]:
    for start, what, least in (
        ("command, ", "commands/s", 1_500),
        ("query, one", "queries/s", 3_000),
    ):
        for row in rows:
            if row["name"].startswith(start) and row["callers"] == 32:
                about = f"{what}, 32 callers ({row['name']})"
                yield at_least(about, row["per_s"], least, quick)


def modbus(rows: Sequence[Mapping[str, Any]], quick: bool) -> Iterator[Bar]:
    best = max((row.get("tags_per_core_s", 0) for row in rows), default=0)
    yield at_least("Modbus tags read and decoded on one core, /s", best, 100_000, quick)


def opcua(rows: Sequence[Mapping[str, Any]], quick: bool) -> Iterator[Bar]:
    ours = [row["changes_per_s"] for row in rows if row["name"] == "driver"]
    yield at_least("OPC UA changes through the driver, /s", max(ours, default=0), 20_000, quick)


def edge(found: Mapping[str, Any], quick: bool) -> Iterator[Bar]:
    row = found.get("poll_100k_20_connections", {})
    yield at_least("tags/s polled by the edge", round(row.get("tags_per_s", 0)), 99_000, quick)
    cores = round(row.get("cores", 9.0), 2)
    yield {
        "what": "cores of the edge at 100,000 tags/s", "figure": cores, "bar": "<= 1",
        "quick": quick, "met": cores <= 1,
    }  # fmt: skip


JUDGES = {"commands": commands, "modbus": modbus, "opcua": opcua, "edge": edge}


def at_least(what: str, figure: float, least: float, quick: bool) -> Bar:
    return {
        "what": what, "figure": figure, "bar": f">= {least:g}", "quick": quick,
        "met": figure >= least,
    }  # fmt: skip


def page(results: Mapping[str, Any]) -> str:
    """RESULTS.md of `{"machine": …, "benches": {name: report}}`."""
    benches = results["benches"]
    parts = [HEAD, _machine(results["machine"]), _bars(benches)]
    parts += [_figures(name, told) for name, told in benches.items()]
    return "\n".join(parts)


def _machine(machine: Mapping[str, Any]) -> str:
    return "\n".join([
        "## Machine", "", "| | |", "|---|---|",
        *(f"| {name} | {value} |" for name, value in machine.items()), "",
    ])  # fmt: skip


def _bars(benches: Mapping[str, Any]) -> str:
    head = "| what | bar | measured | met? | reference | cause of a shortfall |"
    rows = [head, "|---|---|---|---|---|---|"]
    for name, told in benches.items():
        if told.get("skipped"):
            rows.append(f"| {name} | | | not run | | {told['skipped']} |")
        for bar in told["bars"]:
            rows.append(_bar(name, bar))
    return "\n".join(["## Bars", "", *rows, ""])


def _bar(name: str, bar: Bar) -> str:
    said = beside(name, bar["what"])
    met = "yes" if bar["met"] else "**no**"
    quick = " (short run)" if bar.get("quick") else ""
    cause = "" if bar["met"] else said.cause
    return (
        f"| {bar['what']} `{name}` | {bar['bar']} | {shown(bar['figure'])}{quick} | {met} "
        f"| {said.reference} | {cause} |"
    )


def beside(name: str, what: str) -> Line:
    """The longest begin of the bar's words that is known."""
    known = BESIDE.get(name, {})
    fitting = sorted((words for words in known if what.startswith(words)), key=len)
    return known[fitting[-1]] if fitting else Line()


def _figures(name: str, told: Mapping[str, Any]) -> str:
    about = f"{told.get('date', '')}, load before {told.get('load_before', '?')}, "
    about += f"{told.get('seconds', '?')} s"
    rows = [f"| {key} | {shown(value)} |" for key, value in flat(told.get("figures", {}))]
    note = [told["skipped"], ""] if told.get("skipped") else []
    table = ["| figure | |", "|---|---|", *rows, ""] if rows else []
    return "\n".join([f"## {name}", "", f"{about}.", "", *note, *table])


def flat(figures: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    """Figures with their path, however deep; rows of a list by their name."""
    if isinstance(figures, dict):
        for key, value in figures.items():
            yield from flat(value, f"{before}{' · ' if before else ''}{key}")
    elif isinstance(figures, list):
        for place, row in enumerate(figures):
            if not isinstance(row, dict):
                yield f"{before} {place}", row
                continue
            words = [str(v) for v in row.values() if isinstance(v, str)]
            rest = {k: v for k, v in row.items() if not isinstance(v, str)}
            yield from flat(rest, " ".join(filter(None, [before, *words])) or str(place))
    else:
        yield before, figures


def shown(value: Any) -> str:
    """Numbers as people read them: three to five digits, thousands apart."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "–"}[value]
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.4g}"
    return str(value).replace("|", "/").replace("\n", " ")[:200]
