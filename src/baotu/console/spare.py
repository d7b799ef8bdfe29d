"""Libraries that others import for what no node does: they come into memory when somebody uses them."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any


class _WhenUsed(ModuleType):
    """Stands for a module until an attribute of it is asked for; then it is that module's double.

    `importlib.util.LazyLoader` would load it at the `import` statement already: that looks at
    `__spec__`."""

    def __getattr__(self, name: str) -> Any:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        real = import_module(self.__name__)
        self.__dict__.update(real.__dict__)
        return getattr(real, name)


def when_used(name: str) -> None:
    """Call before `name` is imported. Nothing happens when it is there already, or not installed."""
    if name not in sys.modules and find_spec(name) is not None:
        sys.modules[name] = _WhenUsed(name)
