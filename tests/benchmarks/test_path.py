"""What lacks in history is either no reading at all or a loss, and never taken for the other."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def path(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(HERE))  # they run as scripts: `from _house import …`
    yield import_module("path")
    for name in ("path", "_house"):
        sys.modules.pop(name, None)


def test_a_tick_that_was_left_out_is_no_missing_sample(path: Any) -> None:
    told = path.accounted(100, {"a": [98, 98], "b": [100]}, {"a": 2, "b": 0})
    assert (told["checked_not_read"], told["checked_missing"]) == (4, 0)
    assert (told["checked_wanted"], told["checked_samples"]) == (300, 296)


def test_what_lacks_in_some_tags_only_is_lost(path: Any) -> None:
    told = path.accounted(100, {"a": [98, 97, 100]}, {"a": 5})
    assert (told["checked_not_read"], told["checked_missing"]) == (0, 5)


def test_what_lacks_beyond_the_counted_ticks_is_lost(path: Any) -> None:
    told = path.accounted(100, {"a": [90, 90]}, {"a": 4})
    assert (told["checked_not_read"], told["checked_missing"]) == (8, 12)


def test_a_row_too_many_does_not_hide_one_that_is_lost(path: Any) -> None:
    told = path.accounted(100, {"a": [101, 99]}, {})
    assert told["checked_missing"] == 1
