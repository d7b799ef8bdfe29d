"""The DuckDB history keeps what the port promises, whatever is sealed and merged meanwhile."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from baotu.history import read
from baotu.history.duck import DuckHistory
from baotu.history.settings import HistorySettings
from baotu.sdk.testing.history import check_history

SMALL = HistorySettings(seal_rows=1_000, memory_mb=64, fan=2)


def test_history_is_what_the_dictionary_says_while_it_is_hot(tmp_path: Path) -> None:
    check_history(lambda folder: closing(DuckHistory(folder, SMALL)), tmp_path, examples=15)


def test_history_is_what_the_dictionary_says_sealed_and_merged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read, "FEW_FILES", 0)  # rollups answer although raw would be as quick

    def upkeep(history: DuckHistory) -> None:
        history.seal(everything=True)
        history.merge()

    check_history(lambda folder: closing(DuckHistory(folder, SMALL)), tmp_path, upkeep, examples=25)
