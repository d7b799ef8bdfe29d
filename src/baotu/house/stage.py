"""Everything of a node as a list of files that hold still: what a backup reads.

Databases are copied by their own means while everything goes on, segments are linked, the rest is
read where it is. Says what it does not cover.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from baotu.history.duck import DuckHistory
from baotu.records import plainly
from baotu.sdk import ConfigError
from baotu.trust.audit.export import copy as copy_log
from baotu.trust.audit.tiles import Reader
from baotu.trust.backup.node import CACHE
from baotu.trust.backup.take import Source

from .auditing import FOLDER, LOG
from .file import HouseConfig
from .settings import SPARE, STAGE

AUDIT = Path(FOLDER) / LOG
SQLITE = b"SQLite format 3\0"
DATA, CONFIG, DUMP = "data", "", "records.pgdump"
NOT_KEPT = {"lock", "control.sock", CACHE, STAGE, "spill"}
NOT_ENDS = (".lock", ".new", ".part", "-wal", "-shm", "-journal", ".before")
APART = (
    "history",
    AUDIT.as_posix(),
    "edge/log",
    "edge/recordings",
)  # copied by their own means, or not
SPOT_NS = 3600 * 10**9
Facts = dict[str, Any]


@dataclass(slots=True)
class Stage:
    """files: to read, by their names in the backup. facts: what a restored copy must say."""

    files: list[Source] = field(default_factory=list)
    facts: Facts = field(default_factory=dict)
    covers: list[str] = field(default_factory=list)
    without: list[str] = field(default_factory=list)


def prepare(config: HouseConfig, history: DuckHistory | None, password: str, tags: int) -> Stage:
    """Copies into `backup.stage` of the data folder, which `clear` removes. tags: as the node counts
    them. Raises ConfigError."""
    data = config.basics.node.data
    clear(data)
    top = data / STAGE
    top.mkdir(parents=True)
    stage = Stage()
    if history is not None:
        history.backup(top / "history")
        stage.covers.append("history")
    _audit_log(data, top, stage)  # before its rows, which go on
    _databases(data, top, stage, skip=_record_file(config))
    _records(config, top, password, stage)
    staged = {p.relative_to(top).as_posix() for p in top.rglob("*") if p.is_file()}
    for name in sorted(staged):
        lasting = name.startswith("history/segments/")
        stage.files.append(Source(path=f"{DATA}/{name}", file=top / name, lasting=lasting))
    stage.files += _plain(config, staged)
    stage.covers += sorted(
        {f.path.split("/")[1] for f in stage.files if f.path.startswith("data/edge")}
    )
    stage.files += _configuration(config)
    stage.covers.append("configuration")
    stage.facts = facts_of(top) | {"tags": tags, "config": config.path.name}
    stage.without.append(
        "边缘待发的采样与捕获的报文 samples an edge still has to send, and captured frames"
    )
    return stage


def clear(data: Path) -> None:
    shutil.rmtree(data / STAGE, ignore_errors=True)


def facts_of(folder: Path) -> Facts:
    """Rows of every table, spans of history, some series counted: from the files alone."""
    return {"tables": _counted(folder), "history": _history(folder / "history")}


def broken_in(folder: Path) -> list[str]:
    """Databases that SQLite itself calls damaged."""
    found = []
    for path in _sqlite(folder):
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            try:
                [(said,)] = db.execute("pragma integrity_check(1)").fetchall()
            except sqlite3.DatabaseError as error:
                said = str(error)
        if said != "ok":
            found.append(f"{path.relative_to(folder)}: {said}")
    return found


def _record_file(config: HouseConfig) -> set[str]:
    return {"records.db"} if config.basics.records.url else set()


def _audit_log(data: Path, top: Path, stage: Stage) -> None:
    """As it was signed last: what it goes on to say meanwhile is for the next backup."""
    if (data / AUDIT / "checkpoint").exists():
        log = Reader(data / AUDIT)
        copy_log(log.folder, top / AUDIT, log.checkpoint())
        stage.covers.append("audit log")


def _databases(data: Path, top: Path, stage: Stage, skip: set[str]) -> None:
    for path in _sqlite(data):
        name = path.relative_to(data)
        if name.parts[0] in (STAGE, "history") or name.as_posix() in skip:
            continue
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path)) as old, closing(sqlite3.connect(top / name)) as new:
            old.backup(new)
            new.commit()
        (top / name).chmod(path.stat().st_mode & 0o777)
        stage.covers.append(name.with_suffix("").as_posix())


def _records(config: HouseConfig, top: Path, password: str, stage: Stage) -> None:
    """Of a PostgreSQL server by its own `pg_dump`; the password goes by the environment."""
    url = config.basics.records.url
    if not url:
        return
    program = shutil.which("pg_dump")
    way = f"在 in {plainly(url)}: pg_dump -Fc '{plainly(url)}'"
    if program is None:
        stage.without.append(f"记录 records {way} (没有 no pg_dump here)")
        return
    done = subprocess.run(
        [program, "--format=custom", f"--file={top / DUMP}", f"--dbname={url}"],
        env=os.environ | ({"PGPASSWORD": password} if password else {}),
        capture_output=True, text=True, check=False, timeout=6 * 3600,
    )  # fmt: skip
    if done.returncode:
        (top / DUMP).unlink(missing_ok=True)
        said = (done.stderr.strip().splitlines() or ["?"])[-1]
        raise ConfigError(f"pg_dump 未能完成 failed: {said}", "[records] url", way)
    stage.covers.append("records (pg_dump)")


def _plain(config: HouseConfig, staged: set[str]) -> Iterator[Source]:
    data = config.basics.node.data
    to = Path(config.basics.backup.to).absolute() if config.basics.backup.to else None
    for folder, folders, files in os.walk(data):
        here = Path(folder)
        folders[:] = sorted(
            f for f in folders
            if f not in NOT_KEPT and not f.startswith(SPARE) and (here / f).absolute() != to
            and (here / f).relative_to(data).as_posix() not in APART
        )  # fmt: skip
        for file in sorted(files):
            path = here / file
            name = path.relative_to(data).as_posix()
            regular = path.is_file() and not path.is_symlink() and not path.is_socket()
            if file in NOT_KEPT or file.endswith(NOT_ENDS) or name in staged or not regular:
                continue
            if not (name in _record_file(config) or _is_sqlite(path)):
                yield Source(path=f"{DATA}/{name}", file=path)


def _configuration(config: HouseConfig) -> Iterator[Source]:
    """The file, the tag files and plugins it names, the key of the secrets; relative to the file."""
    base, basics = config.path.parent.absolute(), config.basics
    wanted = [config.path, *(base / d.common.tags for d in config.devices if d.common.tags)]
    if basics.node.plugins is not None:
        wanted += sorted(p for p in basics.node.plugins.rglob("*") if "__pycache__" not in p.parts)
    wanted.append(Path(basics.secrets.key_file))
    seen = set()
    for path in wanted:
        path = path.absolute()
        if not path.is_file() or path in seen or path.is_relative_to(basics.node.data.absolute()):
            continue
        seen.add(path)
        inside = path.is_relative_to(base)
        name = path.relative_to(base).as_posix() if inside else "elsewhere" + path.as_posix()
        yield Source(path=name, file=path)


def _sqlite(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*.db")):
        if path.is_file() and _is_sqlite(path):
            yield path


def _is_sqlite(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(SQLITE)) == SQLITE


def _counted(folder: Path) -> dict[str, dict[str, int]]:
    """By database and table."""
    found: dict[str, dict[str, int]] = {}
    for path in _sqlite(folder):
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            names = [
                n
                for (n,) in db.execute(
                    "select name from sqlite_master where type = 'table' order by name"
                )
            ]
            tables = {}
            for name in names:
                quoted = '"' + name.replace('"', '""') + '"'
                try:
                    [(tables[name],)] = db.execute(f"select count(*) from {quoted}").fetchall()
                except sqlite3.OperationalError:
                    continue  # a virtual table of a module that is not loaded
        found[path.relative_to(folder).as_posix()] = tables
    return found


def _history(folder: Path) -> Facts:
    """Rows and span of sealed and hot samples; and the rows of three tags in the newest hour."""
    path = folder / "history.db"
    if not path.exists():
        return {}
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": "128MB",
        "threads": "1",
    }
    with closing(duckdb.connect(str(path), read_only=True, config=config)) as db:
        sealed = {
            kind: [files, rows, low, high]
            for kind, files, rows, low, high in db.execute(
                "select kind, count(*), sum(rows)::bigint, min(low), max(high) from segment group by kind order by kind"
            ).fetchall()
        }
        hot = {}
        for number, kind in db.execute("select id, kind from hot order by id").fetchall():
            row = db.execute(f"select count(*), min(time), max(time) from hot_{number}").fetchone()
            hot[str(number)] = [kind, *(row or ())]
        return {"sealed": sealed, "hot": hot}
