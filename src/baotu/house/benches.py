"""`baotu bench`: finds the benchmarks of this installation and runs one as people would.

They are programs in a folder `benchmarks`: of the checkout, or the copy inside the wheel. Each prints
one JSON object with `name`, `figures` and `bars` when it is asked with `--json`.
"""

from __future__ import annotations

import ast
import difflib
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from baotu.sdk import ConfigError

from .run import say

PACKAGE = Path(__file__).parents[1]
PLACES = (PACKAGE.parents[1] / "benchmarks", PACKAGE / "_benchmarks")
MAIN = '__name__ == "__main__"'


def run_bench(name: str, json: bool, quick: bool) -> None:
    """One by its name, or the list of all. Raises ConfigError when there is none of that name,
    RuntimeError when it fails; what it said stands above."""
    known = benches(folder())
    if not name:
        for one, path in known.items():
            say(f"{one:<14}{about(path)}")
        return
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
        raise ConfigError(f"no benchmark {name!r}", "baotu bench", hint)
    command = [sys.executable, str(known[name])]
    command += ["--json"] * json + ["--quick"] * quick
    if code := subprocess.run(command, check=False).returncode:
        raise RuntimeError(f"the benchmark {name} ended with {code}")


def folder() -> Path:
    """Raises ConfigError when the benchmarks were not installed."""
    for place in PLACES:
        if (place / "__main__.py").is_file():
            return place
    raise ConfigError(
        "the benchmarks are not here", "baotu bench", "install the wheel, or a checkout"
    )


def benches(place: Path) -> Mapping[str, Path]:
    """Every program in the folder that can be run alone, by name."""
    return {
        path.stem: path
        for path in sorted(place.glob("[a-z]*.py"))
        if MAIN in path.read_text(encoding="utf-8")
    }


def about(path: Path) -> str:
    """The first line of what it says of itself."""
    told = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return told.partition("\n")[0]
