"""Finds plugins: wheels by their entry points, private ones as files. Imports none before it must."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Collection, Iterator
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType

from baotu.sdk import App, ConfigError, DriverEntry

from .sandbox.source import Source

DRIVERS, APPS = "baotu.drivers", "baotu.apps"
OWN = "baotu"  # the distribution whose apps are ours


class Registry:
    """What is installed, by name. `plugins`: a folder of private `*.py` apps, or None.

    trusted: entry points and files (without `.py`) of others whose code may run in this process.
    """

    def __init__(self, plugins: Path | None = None, trusted: Collection[str] = ()) -> None:
        self._points = {
            group: {point.name: point for point in entry_points(group=group)}
            for group in (DRIVERS, APPS)
        }
        # a confined process works in another folder: a relative path would lead nowhere there
        self._plugins = plugins.absolute() if plugins else None
        self.trusted = frozenset(trusted)

    def drivers(self) -> list[str]:
        return sorted(self._points[DRIVERS])

    def driver(self, name: str) -> DriverEntry:
        """Raises ConfigError when there is none of that name, or it cannot be loaded."""
        point = self._points[DRIVERS].get(name)
        if point is None:
            raise ConfigError(f"no driver {name!r}", hint=f"installed: {', '.join(self.drivers())}")
        found = _loaded(point)
        if not isinstance(found, DriverEntry):
            raise ConfigError(
                f"driver {name!r}: {point.value} is not a DriverEntry",
                hint="export DRIVER = DriverEntry(…)",
            )
        return found

    def guests(self) -> list[Source]:
        """Where third-party apps come from; their code is not touched. What is trusted is none."""
        found = [
            Source(
                name=point.name,
                version=f"{point.dist.name} {point.dist.version}" if point.dist else "",
                point=point.value,
            )
            for point in self._points[APPS].values()
            if not self._here(point)
        ]
        return found + [Source(name=path.stem, file=path) for path in self._files(False)]

    def _here(self, point: EntryPoint) -> bool:
        own = point.dist is not None and point.dist.name.lower() == OWN
        return own or point.name in self.trusted

    def _files(self, trusted: bool) -> list[Path]:
        found = sorted(self._plugins.glob("*.py")) if self._plugins else []
        return [path for path in found if (path.stem in self.trusted) == trusted]

    def apps(self) -> dict[str, type[App]]:
        """Apps whose code runs in this process: ours and those that are trusted, wheels first.

        A name twice is refused.
        """
        found: dict[str, type[App]] = {}
        for kind in self._all_apps():
            if kind.name() in found:
                raise ConfigError(
                    f"two apps are called {kind.name()!r}", hint="rename one of the classes"
                )
            found[kind.name()] = kind
        return found

    def _all_apps(self) -> Iterator[type[App]]:
        for point in filter(self._here, self._points[APPS].values()):
            kind = _loaded(point)
            if not (isinstance(kind, type) and issubclass(kind, App)):
                raise ConfigError(f"app {point.name!r}: {point.value} is not an App")
            yield kind
        for path in self._files(True):
            yield from apps_of(load_file(path))


def load_file(path: Path) -> ModuleType:
    """A private plugin: one Python file. Raises ConfigError with the author's line."""
    name = f"baotu_plugin_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and job workers look their module up by name
    try:
        spec.loader.exec_module(module)
    except FileNotFoundError:
        del sys.modules[name]
        raise ConfigError(f"{path} does not exist", hint="give the path of a Python file") from None
    except Exception as error:
        del sys.modules[name]
        frame = error.__traceback__
        while frame is not None and frame.tb_next is not None:
            frame = frame.tb_next
        line = getattr(error, "lineno", None) or (frame.tb_lineno if frame else 0)
        raise ConfigError(f"{type(error).__name__}: {error}", f"{path}:{line}") from error
    return module


def apps_of(module: ModuleType) -> list[type[App]]:
    """The apps that a module itself defines."""
    return [
        kind
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, App) and kind.__module__ == module.__name__
    ]


def _loaded(point: EntryPoint) -> object:
    try:
        return point.load()
    except Exception as error:
        raise ConfigError(
            f"plugin {point.name!r} ({point.value}) cannot be loaded: {type(error).__name__}: {error}",
            hint="reinstall its package, or remove it",
        ) from error
