"""The keys that open the store (key-encryption keys): a private file, a systemd credential, or a
file sealed by a passphrase. Several may be there at once, so that they change while a node runs."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from baotu.sdk import ConfigError

from ..primitives import Forged, Stretch, Suite, stretch
from .files import alone, read_json, read_private, write_json

FORMAT = "baotu keys 1"
CREDENTIAL, PHRASE_CREDENTIAL = "baotu-secrets-key", "baotu-secrets-passphrase"
Phrase = Callable[[], str]


class Keys(Protocol):
    """Where keys come from."""

    def current(self) -> tuple[str, bytes]:
        """Name and key for what is sealed now; made when there is none. Raises ConfigError."""

    def of(self, name: str) -> bytes:
        """Raises ConfigError when this key is not there (any more)."""

    def add(self) -> str:
        """A fresh key becomes the current one; earlier ones still open. Its name."""

    def drop_others(self) -> int:
        """Forget all but the current key; how many went."""


@dataclass(frozen=True)
class KeyFile:
    """`phrase`: gives the passphrase that seals the file, None for a file that is not sealed."""

    path: Path
    suite: Suite
    phrase: Phrase | None = None
    writable: bool = True

    def current(self) -> tuple[str, bytes]:
        if not self.path.exists():
            with alone(self.path):
                if not self.path.exists():
                    self._with_new({})
        keys, name = self._read()
        return name, keys[name]

    def of(self, name: str) -> bytes:
        keys, _ = self._read()
        if name not in keys:
            raise ConfigError(
                f"the key {name} of a secret is not in it",
                str(self.path),
                "restore the file from a backup",
            )
        return keys[name]

    def add(self) -> str:
        with alone(self.path):
            return self._with_new(self._read()[0] if self.path.exists() else {})

    def drop_others(self) -> int:
        with alone(self.path):
            keys, name = self._read()
            self._save({name: keys[name]}, name)
            return len(keys) - 1

    def _with_new(self, keys: dict[str, bytes]) -> str:
        name = secrets.token_hex(4)
        self._save(keys | {name: self.suite.new_key()}, name)
        return name

    def _save(self, keys: dict[str, bytes], name: str) -> None:
        if not self.writable:
            raise ConfigError(
                "a systemd credential is not changed by the node", str(self.path),
                "write the new one with systemd-creds and restart",
            )  # fmt: skip
        told: dict[str, Any] = {"format": FORMAT, "suite": self.suite.name, "current": name}
        if self.phrase is None:
            told["keys"] = {n: key.hex() for n, key in keys.items()}
        else:
            how = Stretch.fresh(self.suite)
            over = stretch(self.suite, self.phrase(), how)
            told["passphrase"] = how.told()
            told["keys"] = {n: self.suite.wrap(over, k, n.encode()).hex() for n, k in keys.items()}
        write_json(self.path, told)

    def _read(self) -> tuple[dict[str, bytes], str]:
        found = read_json(self.path, FORMAT)
        if found.get("suite") != self.suite.name:
            raise ConfigError(
                f"its keys are of the suite {found.get('suite')}", str(self.path),
                "set [trust] suite to it",
            )  # fmt: skip
        try:
            keys = {str(n): bytes.fromhex(k) for n, k in found["keys"].items()}
            if "passphrase" in found:
                keys = self._unsealed(keys, Stretch.of(found["passphrase"]))
            name = str(found["current"])
            if name not in keys:
                raise KeyError(name)
            return keys, name
        except (KeyError, ValueError, TypeError, AttributeError):
            raise ConfigError(
                f"不是 is no {FORMAT!r}", str(self.path), "从备份恢复它 restore it from a backup"
            ) from None

    def _unsealed(self, keys: dict[str, bytes], how: Stretch) -> dict[str, bytes]:
        if self.phrase is None:
            raise ConfigError(
                "is sealed by a passphrase",
                str(self.path),
                "name its file in [secrets] passphrase_file",
            )
        over = stretch(self.suite, self.phrase(), how)
        try:
            return {n: self.suite.unwrap(over, key, n.encode()) for n, key in keys.items()}
        except Forged:
            raise ConfigError("the passphrase does not open it", str(self.path)) from None


def found_keys(suite: Suite, file: Path, phrase_file: Path | None) -> KeyFile:
    """The keys of a node: the credential if systemd gave one, else the file."""
    given = os.environ.get("CREDENTIALS_DIRECTORY", "")
    folder = Path(given) if given else None
    if folder and (folder / PHRASE_CREDENTIAL).exists():
        phrase_file = folder / PHRASE_CREDENTIAL
    phrase = _from(phrase_file) if phrase_file else None
    if folder and (folder / CREDENTIAL).exists():
        return KeyFile(folder / CREDENTIAL, suite, phrase, writable=False)
    return KeyFile(file, suite, phrase)


def _from(path: Path) -> Phrase:
    def read() -> str:
        text = read_private(path).decode().strip()
        if not text:
            raise ConfigError("holds no passphrase", str(path), "write one line into it")
        return text

    return read
