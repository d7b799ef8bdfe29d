"""`baotu bench` and the programs it finds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from baotu.house import benches
from baotu.sdk import ConfigError

HERE = Path(__file__).parents[2] / "benchmarks"
NAMES = ("path", "opcua_path", "http_api", "latency", "memory", "thingsboard")


def test_the_benchmarks_of_the_checkout_are_found() -> None:
    assert benches.folder() == HERE
    assert set(NAMES) | {"history", "modbus", "crash"} <= set(benches.benches(HERE))


def test_every_benchmark_says_in_one_line_what_it_is() -> None:
    for name, path in benches.benches(HERE).items():
        assert 10 < len(benches.about(path)) < 130, name


def test_every_benchmark_understands_json() -> None:
    for name, path in benches.benches(HERE).items():
        assert '"--json"' in path.read_text(encoding="utf-8"), name


def test_no_benchmark_takes_the_name_of_a_module_of_python() -> None:
    assert not set(benches.benches(HERE)) & sys.stdlib_module_names


def test_an_unknown_name_is_told_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"histry.*did you mean history\?"):
        benches.run_bench("histry", json=True, quick=True)


def fake(folder: Path, body: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "__main__.py").write_text("")
    (folder / "one.py").write_text(f'"""A benchmark."""\nif __name__ == "__main__":\n    {body}\n')
    return folder


def test_what_a_benchmark_prints_is_passed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    place = fake(tmp_path / "b", "import sys, json; print(json.dumps(sys.argv[1:]))")
    monkeypatch.setattr(benches, "PLACES", (place,))
    benches.run_bench("one", json=True, quick=True)
    assert json.loads(capfd.readouterr().out) == ["--json", "--quick"]


def test_a_benchmark_that_fails_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benches, "PLACES", (fake(tmp_path / "b", "raise SystemExit(3)"),))
    with pytest.raises(RuntimeError, match="one ended with 3"):
        benches.run_bench("one", json=False, quick=False)


def test_a_folder_without_benchmarks_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benches, "PLACES", (tmp_path,))
    with pytest.raises(ConfigError, match="the benchmarks are not here"):
        benches.run_bench("", json=False, quick=False)


def test_all_of_them_write_a_report_also_of_what_went_wrong(tmp_path: Path) -> None:
    """The runner copied beside two small benchmarks: one prints, one fails."""
    place = fake(tmp_path / "benchmarks", "print('a word before')\n    print('{\"bars\": []}')")
    for name in ("__main__.py", "report.py"):
        (place / name).write_text((HERE / name).read_text(encoding="utf-8"), encoding="utf-8")
    (place / "two.py").write_text('if __name__ == "__main__":\n    raise SystemExit(4)\n')
    command = [sys.executable, "-m", "benchmarks"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found = json.loads((place / "results.json").read_text())["benches"]
    assert found["one"]["bars"] == [] and "skipped" not in found["one"]
    assert found["two"]["skipped"] == "it ended with 4"
    assert "| two | | | not run | | it ended with 4 |" in (place / "RESULTS.md").read_text()
