"""The port to secrets, and a store that is opened when somebody first needs it: a node that has no
secrets pays for no cryptography."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from baotu.sdk import ConfigError
from baotu.sdk.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What may be known of a secret."""

    name: str
    version: int
    set_at: str  # ISO 8601 UTC
    set_by: str
    versions: int


class Secrets(Protocol):
    """What a store of secrets does."""

    changed: Callable[[str], None]

    def names(self) -> Sequence[Kept]: ...

    def get(self, name: str) -> Secret:
        """The newest version. Raises ConfigError that says how to keep one."""

    def set(self, name: str, value: Secret, by: str) -> int:
        """Keep a new version; its number. Raises Invalid."""

    def remove(self, name: str) -> None:
        """Raises Invalid when there is none."""

    def rotate(self) -> int:
        """A fresh key for the node; how many versions are under it."""


class Vault:
    """Implements `Secrets`. make: opens the store. changed: called after a change, with the name."""

    def __init__(self, path: Path, make: Callable[[], Secrets]) -> None:
        self.path, self._make = path, make
        self._store: Secrets | None = None
        self.changed: Callable[[str], None] = lambda name: None

    def names(self) -> Sequence[Kept]:
        return self._opened().names() if self.path.exists() else ()

    def get(self, name: str) -> Secret:
        if not self.path.exists():
            raise ConfigError(
                f"there is no secret {name!r}", str(self.path), f"keep it: baotu secret set {name}"
            )
        return self._opened().get(name)

    def set(self, name: str, value: Secret, by: str) -> int:
        return self._opened().set(name, value, by)

    def remove(self, name: str) -> None:
        self._opened().remove(name)

    def rotate(self) -> int:
        return self._opened().rotate()

    def _opened(self) -> Secrets:
        if self._store is None:
            self._store = self._make()
            self._store.changed = lambda name: self.changed(name)
        return self._store
