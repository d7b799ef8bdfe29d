"""A module that is loaded when somebody uses it."""

import importlib
import sys
from pathlib import Path

import pytest

from baotu.console.spare import when_used


@pytest.fixture
def spared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The name of a package whose code leaves a trace when it runs."""
    name = "baotu_spared_by_a_test"
    folder = tmp_path / name
    folder.mkdir()
    (folder / "__init__.py").write_text("import sys\nsys.spared_ran = True\nanswer = 42\n")
    (folder / "part.py").write_text("whole = 7\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delattr(sys, "spared_ran", raising=False)
    yield name
    for loaded in [m for m in sys.modules if m.partition(".")[0] == name]:
        del sys.modules[loaded]


def ran() -> bool:
    return hasattr(sys, "spared_ran")


def test_an_import_loads_nothing_until_an_attribute_is_asked_for(spared):
    when_used(spared)
    namespace = {}
    exec(f"import {spared} as library", namespace)
    assert not ran()
    assert namespace["library"].answer == 42
    assert ran()


@pytest.mark.parametrize(
    "words", ["from {} import answer", "import {}.part", "from {}.part import whole"]
)
def test_every_way_to_import_something_of_it_works(spared, words):
    when_used(spared)
    exec(words.format(spared), {})
    assert ran()
    assert importlib.import_module(f"{spared}.part").whole == 7


def test_a_name_it_does_not_have_is_an_attribute_error(spared):
    when_used(spared)
    with pytest.raises(AttributeError, match="nothing_like_it"):
        _ = sys.modules[spared].nothing_like_it


def test_what_is_loaded_or_not_installed_stays_as_it_is(spared):
    real = importlib.import_module(spared)
    when_used(spared)
    assert sys.modules[spared] is real
    when_used("baotu_no_such_library")
    assert "baotu_no_such_library" not in sys.modules
