"""Work on a node's data from the command line: through its control socket while it runs, on the
files when it does not."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, cast

from baotu.assets import PlantModel, tagfile
from baotu.history.duck import DuckHistory
from baotu.records import FILE, RecordsSettings, plainly
from baotu.sdk import ConfigError, Invalid
from baotu.sdk.ports import Format, History, Plant
from baotu.sdk.samples import nanoseconds
from baotu.trust.audit.export import copy as copy_log
from baotu.trust.audit.tiles import Reader

from .auditing import FOLDER, LOG
from .control import ask, node_folder, running
from .file import load

FORMATS: dict[str, Format] = {".parquet": "parquet", ".csv": "csv", ".arrow": "arrow"}
ASSETS = "assets.db"


def data_folder(config: Path, data: Path | None) -> Path:
    """Where the node keeps its data: as told, else as configured. Raises ConfigError."""
    if data is not None:
        return node_folder(data)
    return load(config).basics.node.data


def moment(text: str, field: Literal["start", "end"]) -> int:
    """ISO 8601 as ns UTC; without a zone it is UTC. Raises Invalid."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise Invalid(field, f"{text!r} is not ISO 8601, like 2026-06-01T08:00:00+08:00") from None
    return nanoseconds(time if time.tzinfo else time.replace(tzinfo=UTC))


def export_history(
    config: Path, data: Path | None, out: Path, tags: Sequence[str], start: str, end: str
) -> str:
    """Write samples of these tags to a file; a sentence on what was written."""
    if out.suffix not in FORMATS:
        raise Invalid("out", f"{out.name!r} must end in {', '.join(FORMATS)}")
    folder = data_folder(config, data)
    times = (moment(start, "start"), moment(end, "end"))
    if times[0] >= times[1]:
        raise Invalid("end", f"{end} 不在 start 之后 is not after start, {start}")
    if running(folder):
        count = ask(
            folder, "export", out=str(out.absolute()), tags=list(tags), start=times[0], end=times[1]
        )
    else:
        _must_exist(folder)
        plant, history = PlantModel(folder / "assets.db"), DuckHistory(folder / "history")
        try:
            count = export_tags(history, plant, out, tags, *times)
        finally:
            history.close()
            plant.close()
    return f"{out}: {count} samples"


def export_tags(
    history: History, plant: Plant, out: Path, tags: Sequence[str], start: int, end: int
) -> int:
    """tags: names; all of them must exist."""
    ids = [plant.tag(name).id for name in tags]
    return history.export(out, ids, start, end, cast(Format, FORMATS[out.suffix]))


def backup(config: Path, data: Path | None, to: Path) -> str:
    """A consistent copy of a node's data in a new folder; a sentence on what it covers. Raises
    ConfigError when the folder is there already."""
    if to.exists():
        raise ConfigError("is there already", str(to), "name a folder that does not exist")
    folder = data_folder(config, data)
    if running(folder):
        return str(ask(folder, "backup", to=str(to.absolute()), deadline_s=3600.0))
    _must_exist(folder)
    records = load(config).basics.records if config.exists() else RecordsSettings()
    history = DuckHistory(folder / "history")
    try:
        return copy_node(folder, history, to, records)
    finally:
        history.close()


def copy_node(folder: Path, history: DuckHistory, to: Path, records: RecordsSettings) -> str:
    """History, databases and the edge's own files; says what it covers, and what not. A failure
    leaves no folder that looks like a backup."""
    part = to.with_name(to.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    history.backup(part / "history")
    covers = ["history"]
    if (folder / FOLDER / LOG / "checkpoint").exists():  # before its rows, which may go on
        log = Reader(folder / FOLDER / LOG)
        copy_log(log.folder, part / FOLDER / LOG, log.checkpoint())
        covers.append("audit log")
    for name in (ASSETS,) if records.url else (ASSETS, FILE):  # a file of before is not ours
        if (folder / name).exists():
            _copy_database(folder / name, part / name)
            covers.append(name.removesuffix(".db"))
    if (folder / "edge").exists():
        shutil.copytree(
            folder / "edge", part / "edge", ignore=shutil.ignore_patterns("log", "recordings")
        )
        covers.append("edge")
    part.rename(to)
    size = sum(p.stat().st_size for p in to.rglob("*") if p.is_file())
    return f"{to}: {size / 1e6:.1f} MB: {', '.join(covers)}{_without(records)}"


def _copy_database(source: Path, target: Path) -> None:
    old, new = sqlite3.connect(source), sqlite3.connect(target)
    with new:
        old.backup(new)
    old.close()
    new.close()


def _without(records: RecordsSettings) -> str:
    if not records.url:
        return ""
    where = plainly(records.url)
    return f"; 不含记录 without the records: they are in {where}, take them with pg_dump '{where}'"


def write_tags(config: Path, out: Path) -> str:
    """All configured tags as one table."""
    if out.suffix not in (".csv", ".xlsx"):
        raise Invalid("out", f"{out.name!r} must end in .csv or .xlsx")
    count = tagfile.write(out, (tag for device in load(config).devices for tag in device.tags))
    return f"{out}: {count} tags"


def _must_exist(folder: Path) -> None:
    if not (folder / "history").exists():
        raise ConfigError(
            "holds no data of a node", str(folder), "give --data or --config of the node"
        )
