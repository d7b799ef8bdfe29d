"""The guides of docs/extend are followed to the letter."""

import os
import subprocess
import sys

import pytest

from baotu.house.scaffold import create
from baotu.sdk import ConfigError

from .guide import ROOT, blocks


def run_tests(folder):
    path = os.pathsep.join([str(folder / "src"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "tests", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"],
        cwd=folder, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, timeout=250,
    )  # fmt: skip
    return done.returncode, done.stdout


def test_the_driver_guide_goes_from_red_to_green(tmp_path):
    create("driver", "ascii_scale", tmp_path)
    folder = tmp_path / "ascii_scale"
    red, said = run_tests(folder)
    written = [block for block in blocks("docs/extend/driver.md") if block.file]
    for block in written:
        (folder / block.file).write_text(block.content, encoding="utf-8")
    green, report = run_tests(folder)

    assert red == 1, said
    assert [b.file.rpartition("/")[2] for b in written] == [
        "__init__.py",
        "test_ascii_scale.py",
        "case.toml",
    ]
    assert green == 0, report


@pytest.mark.parametrize("kind", ["driver", "app"])
def test_a_new_folder_is_red_and_says_which_promise_is_broken(tmp_path, kind):
    create(kind, "mine", tmp_path)
    status, said = run_tests(tmp_path / "mine")

    assert status == 1
    assert "AssertionError" in said


def test_a_name_that_cannot_be_one_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="small letters"):
        create("driver", "My-Driver", tmp_path)


def test_nothing_is_overwritten(tmp_path):
    create("app", "mine", tmp_path)
    with pytest.raises(ConfigError, match="is there already"):
        create("app", "mine", tmp_path)


def test_the_app_guide_shows_the_installed_app_and_its_test_passes(tmp_path):
    written = {block.file: block.content for block in blocks("docs/extend/app.md") if block.file}
    for name, text in written.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "tests").mkdir()
    (tmp_path / "test_overheat.py").rename(tmp_path / "tests" / "test_overheat.py")
    (tmp_path / "src").symlink_to(tmp_path)
    status, said = run_tests(tmp_path)

    assert (
        written["overheat.py"]
        == (ROOT / "src/baotu/apps/manufacturing/overheat/__init__.py").read_text()
    )
    assert len(written["overheat.py"].splitlines()) <= 30
    assert status == 0, said
