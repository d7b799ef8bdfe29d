"""The house keeps its shape: sizes, plugin parts, words that must not stand in the source."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "baotu"
FILES = sorted([*SOURCE.rglob("*.py"), *(ROOT / "examples").rglob("*.py")])
PLUGINS = sorted(
    p.parent for wing in (SOURCE / "drivers", SOURCE / "apps") for p in wing.rglob("quality.toml")
)
EXPECTED = sorted(
    p.parent
    for pattern in ("drivers/*/__init__.py", "apps/*/*/__init__.py")
    for p in SOURCE.glob(pattern)
)
RULES = tomllib.loads((ROOT / "tests" / "architecture" / "quality_rules.toml").read_text())
HOSTS = re.compile(r"""["'](127\.0\.0\.1|0\.0\.0\.0|localhost)["']""")


def functions(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_no_file_is_twice_what_fits_in_one_sitting():
    assert [str(f.relative_to(ROOT)) for f in FILES if f.read_text().count("\n") > 800] == []


def test_no_function_is_twice_a_screen():
    long = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in FILES
        for node in functions(path)
        if (node.end_lineno or 0) - node.lineno > 80
    ]
    assert long == []


def test_every_module_says_what_it_is_for():
    silent = [
        str(path.relative_to(ROOT))
        for path in FILES
        if path.stat().st_size > 1 and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert silent == []


def test_addresses_are_settings_and_ipv6_comes_first():
    bare = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in FILES
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if HOSTS.search(line)
    ]
    assert bare == []


def test_nobody_sleeps_and_nothing_is_left_unfinished():
    marks = re.compile(r"\btime\.sleep\(|\b(TODO|FIXME|XXX|HACK)\b|verify\s*=\s*False|CERT_NONE")
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in FILES
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if marks.search(line)
    ]
    assert found == []


def test_only_the_kernels_guard_catches_everything():
    broad = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in FILES
        if "kernel" not in path.parts
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or getattr(node.type, "id", "") in ("Exception", "BaseException"))
        and not (isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None)
    ]
    assert broad == []


def test_every_plugin_has_its_parts():
    assert PLUGINS == EXPECTED
    missing = [
        f"{folder.relative_to(SOURCE)}: {part}"
        for folder in EXPECTED
        for part in ("README.md", "sample.toml", "quality.toml", "cases")
        if not (folder / part).exists()
    ]
    assert missing == []


@pytest.mark.parametrize("folder", PLUGINS, ids=lambda p: str(p.relative_to(SOURCE)))
def test_quality_says_of_every_rule_whether_it_holds(folder):
    said = tomllib.loads((folder / "quality.toml").read_text())
    kind = "driver" if "drivers" in folder.parts else "app"
    for level, rules in RULES[kind].items():
        assert set(said.get(level, {})) == set(rules), f"{level}: the rules are {', '.join(rules)}"
        for rule, state in said[level].items():
            fine = state in ("done", "todo") or (isinstance(state, dict) and state.get("exempt"))
            assert fine, f"{level}.{rule} is done, todo or {{ exempt = 'reason' }}"


@pytest.mark.parametrize("folder", PLUGINS, ids=lambda p: str(p.relative_to(SOURCE)))
def test_readme_of_a_plugin_speaks_both_languages(folder):
    text = (folder / "README.md").read_text()
    assert re.search(r"[\u4e00-\u9fff]{4,}", text)
    assert re.search(r"[A-Za-z]{3,} [a-z]{2,} [a-z]{2,}", text)
