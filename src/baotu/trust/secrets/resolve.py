"""References in settings become values, at the moment somebody uses the settings."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields, replace
from typing import Any

from baotu.sdk import ConfigError
from baotu.sdk.secret import referred
from baotu.sdk.settings import described

from .scrub import Scrubber
from .vault import Secrets


@dataclass(frozen=True)
class Resolver:
    """What it revealed the scrubber knows from then on."""

    store: Secrets
    scrubber: Scrubber
    _files: dict[tuple[str, str], str] = field(default_factory=dict, repr=False)

    def settings(self, made: Any, whose: str) -> Any:
        """The same settings object with values for `secret:NAME`.

        Of a setting that names a file, the value becomes a file in memory that ends with the
        process. whose: the device, server or section, for errors. Raises ConfigError.
        """
        found: dict[str, str] = {}
        for line in fields(made):
            facts = described(line)
            text = getattr(made, line.name)
            if not facts["secret"] or not isinstance(text, str):
                continue
            name = referred(text)
            value = self.value(name, whose) if name else text
            if facts["path"]:
                if name:
                    found[line.name] = self._file(name, value)
            elif value:
                self.scrubber.know(value)
                found |= {line.name: value} if name else {}
        return replace(made, **found) if found else made

    def _file(self, name: str, value: str) -> str:
        """The same path for the same value: a device is not started anew for nothing."""
        if (name, value) not in self._files:
            self._files[name, value] = in_memory(name, value)
        return self._files[name, value]

    def value(self, name: str, whose: str) -> str:
        try:
            value = self.store.get(name).value
        except ConfigError as error:
            raise ConfigError(error.why, whose, error.hint) from None
        self.scrubber.know(value)
        return value


def in_memory(name: str, value: str) -> str:
    """The path of a file that is on no disk; it lives as long as this process."""
    number = os.memfd_create(f"secret-{name}")
    os.write(number, value.encode())
    return f"/proc/self/fd/{number}"
