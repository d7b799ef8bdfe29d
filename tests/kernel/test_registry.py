"""Plugins are found by name; a broken one is named with the author's line."""

from pathlib import Path

import pytest

from baotu.kernel.registry import Registry, apps_of, load_file
from baotu.sdk import ConfigError


def test_the_drivers_and_apps_of_the_house_are_found():
    registry = Registry()

    assert {"modbus", "opcua", "mqtt", "sparkplug", "replay"} <= set(registry.drivers())
    assert {"overheat", "pumping"} <= registry.apps().keys()
    assert registry.driver("modbus").client is not None


def test_an_unknown_driver_lists_those_there_are():
    with pytest.raises(ConfigError, match=r"no driver 'bacnet' \(installed: .*modbus"):
        Registry().driver("bacnet")


def test_a_private_app_is_a_file_in_the_folder_of_plugins_and_its_code_is_not_touched(tmp_path):
    (tmp_path / "mine.py").write_text("raise SystemExit\n")
    [found] = Registry(tmp_path).guests()

    assert (found.name, found.file, found.point) == ("mine", tmp_path / "mine.py", "")
    assert Registry(tmp_path).apps().keys() == {"overheat", "pumping"}


def test_a_folder_of_plugins_beside_the_file_is_found_from_any_folder(tmp_path, monkeypatch):
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "mine.py").write_text("raise SystemExit\n")
    monkeypatch.chdir(tmp_path)
    [found] = Registry(Path("plugins")).guests()

    assert found.file == tmp_path / "plugins" / "mine.py"


def test_a_private_app_that_is_trusted_is_loaded_here(tmp_path):
    (tmp_path / "mine.py").write_text(
        'from baotu.sdk import App, stream\n\nclass Mine(App):\n    """Mine. 我的。"""\n'
        '    @stream(asset="Motor", property="speed")\n    def see(self, samples):\n        yield from ()\n'
    )

    assert Registry(tmp_path, ["mine"]).guests() == []
    assert Registry(tmp_path, ["mine"]).apps()["mine"].__doc__ == "Mine. 我的。"


def test_an_app_twice_is_refused(tmp_path):
    (tmp_path / "a.py").write_text("from baotu.sdk import App\nclass Overheat(App):\n    pass\n")
    with pytest.raises(ConfigError, match="two apps are called 'overheat'"):
        Registry(tmp_path, ["a"]).apps()


@pytest.mark.parametrize(
    ("text", "said"),
    [("x = 1\ny = x / 0\n", r"broken.py:2: ZeroDivisionError"), ("def f(:\n", r"broken.py:1: SyntaxError"),
     ("import no_such_thing\n", r"broken.py:1: ModuleNotFoundError")],
)  # fmt: skip
def test_a_file_that_does_not_load_names_its_line(tmp_path, text, said):
    path = tmp_path / "broken.py"
    path.write_text(text)
    with pytest.raises(ConfigError, match=said):
        load_file(path)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match="does not exist"):
        load_file(tmp_path / "none.py")


def test_only_what_a_module_defines_itself_is_its_app(tmp_path):
    path = tmp_path / "one.py"
    path.write_text("from baotu.sdk import App\nclass One(App):\n    pass\n")

    assert [kind.__name__ for kind in apps_of(load_file(path))] == ["One"]
