"""What the benchmarks print becomes one report."""

from __future__ import annotations

from benchmarks import report

MACHINE = {"cores": 2, "CPU": "some", "date": "2026-01-01"}


def told(**more: object) -> dict:
    line = {"what": "Modbus tags/s in history", "figure": 99_000, "bar": ">= 99500", "quick": False}
    return {
        "name": "path",
        "figures": {"bar": {"cores": 0.5}},
        "bars": [line | {"met": False}],
    } | more


def page(**benches: dict) -> str:
    return report.page({"machine": MACHINE, "benches": benches})


def test_a_bar_that_is_missed_is_told_with_its_reference() -> None:
    (row,) = [line for line in page(path=told()).splitlines() if line.startswith("| Modbus")]
    assert "| >= 99500 | 99,000 | **no** | ThingsBoard gateway 6,800/s" in row


def test_a_cause_stands_only_beside_a_bar_that_is_missed() -> None:
    line = {
        "what": "memory of the node, 1 tag, MB",
        "figure": 300.0,
        "bar": "<= 250",
        "quick": False,
    }
    missed = page(path=told(bars=[line | {"met": False}]))
    met = page(path=told(bars=[line | {"met": True, "figure": 200.0}]))
    cause = report.BESIDE["path"]["memory of the node"].cause
    assert cause in missed and cause not in met


def test_a_benchmark_that_could_not_run_says_why() -> None:
    text = page(victoria={"figures": {}, "bars": [], "skipped": "victoria is not installed"})
    assert text.count("victoria is not installed") == 2


def test_rows_of_a_plain_list_get_their_bars() -> None:
    rows = [
        {"name": "command, light", "callers": 1, "per_s": 400},
        {"name": "command, light", "callers": 32, "per_s": 1_600},
        {"name": "query, one row", "callers": 32, "per_s": 2_000},
        {"name": "query, 20 rows", "callers": 32, "per_s": 1},
    ]
    bars = report.adapted("commands", rows)["bars"]
    assert [(b["figure"], b["met"]) for b in bars] == [(1_600, True), (2_000, False)]


def test_a_report_of_the_common_form_is_left_as_it_is() -> None:
    assert report.adapted("path", told()) == told()


def test_figures_are_flat_with_their_path_and_rows_by_their_words() -> None:
    figures = {"a": {"b": 1}, "rows": [{"name": "x", "n": 2}, {"name": "y", "n": 3}]}
    assert list(report.flat(figures)) == [("a · b", 1), ("rows x · n", 2), ("rows y · n", 3)]


def test_numbers_are_written_for_people() -> None:
    values = (1_234_567, 12_345.6, 0.12345, True, None, "a|b")
    assert [report.shown(v) for v in values] == [
        "1,234,567", "12,346", "0.1235", "yes", "–", "a/b"
    ]  # fmt: skip
