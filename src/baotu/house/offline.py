"""Work on a node's data from the command line: through its control socket while it runs, on the
files when it does not."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, cast

from baotu.assets import PlantModel, tagfile
from baotu.history.duck import DuckHistory
from baotu.sdk import ConfigError, Invalid
from baotu.sdk.ports import Format, History, Plant
from baotu.sdk.samples import nanoseconds
from baotu.trust.secrets import Scrubber

from .control import ask, node_folder, running
from .file import load
from .place import data_folder
from .vault import resolver_of

FORMATS: dict[str, Format] = {".parquet": "parquet", ".csv": "csv", ".arrow": "arrow"}
ASSETS = "assets.db"


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


def backup(config: Path, data: Path | None, to: Path | None, phrase: Callable[[], str]) -> str:
    """Add a backup to the store `to`, by default that of the configuration; a sentence on what it
    covers. phrase: asked for when the store is new. Raises ConfigError, Invalid, Unreachable."""
    from baotu.trust.backup.form import IDENTITY

    from .backup import NodeBackup, sentence, tidy

    text = None if config.exists() or data is None else ""
    loaded = load(config, text, data=node_folder(data) if data else None)
    folder = loaded.basics.node.data
    store = str(to.absolute()) if to is not None else loaded.basics.backup.to
    if not store:
        raise ConfigError("to is not set", "[backup]", "name a folder: baotu backup TO")
    word = "" if (Path(store) / IDENTITY).exists() else phrase()
    if running(folder):
        return str(ask(folder, "backup", to=store, phrase=word, deadline_s=24 * 3600.0))
    _must_exist(folder)
    tidy(folder)
    history = DuckHistory(folder / "history") if (folder / "history").exists() else None
    try:
        password = resolver_of(loaded, Scrubber()).settings(loaded.basics.records, "[records]")
        made = NodeBackup(loaded, time.time_ns, history, password.revealed(), lambda: _tags(folder))
        return sentence(store, *made.take(store, word))
    finally:
        if history is not None:
            history.close()


def _tags(folder: Path) -> int:
    plant = PlantModel(folder / ASSETS)
    try:
        return plant.tags(limit=1).total
    finally:
        plant.close()


def bring_back(
    store: Path, into: Path | None, phrase: str, verify: bool, number: int, least: int
) -> list[str]:
    """Restore into a new folder, or only prove; lines for people. Raises ConfigError, RuntimeError
    that holds the faults when there are any."""
    from baotu.trust.backup.objects import Folder
    from baotu.trust.backup.restore import restore

    from .backup import proved, report

    objects = Folder(store)
    if verify:
        told, wrong = proved(objects, phrase, into, number=number, least=least)
    else:
        told, wrong = restore(objects, phrase, into, number=number, least=least), []
    lines = report(told, wrong)
    if told.faults or wrong:
        raise RuntimeError("\n    ".join(lines))
    if into is not None:
        start = f"baotu run --config {into / told.facts['config']} --data {into / 'data'}"
        lines.append(f"启动 start it: {start}")
    return lines


def write_tags(config: Path, out: Path) -> str:
    """All configured tags as one table."""
    if out.suffix not in (".csv", ".xlsx"):
        raise Invalid("out", f"{out.name!r} must end in .csv or .xlsx")
    count = tagfile.write(out, (tag for device in load(config).devices for tag in device.tags))
    return f"{out}: {count} tags"


def _must_exist(folder: Path) -> None:
    if not (folder / "history").exists() and not (folder / "edge").exists():
        raise ConfigError(
            "holds no data of a node", str(folder), "give --data or --config of the node"
        )
