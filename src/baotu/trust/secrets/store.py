"""The store: each version of each secret sealed under a data key of its own, which is wrapped by
the key of the node. So that key changes without touching a value, and a value can be forgotten by
forgetting its data key."""

from __future__ import annotations

import base64
import re
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from baotu.sdk import ConfigError, Invalid
from baotu.sdk.secret import Secret

from ..primitives import Forged, Suite
from .files import alone, read_json, write_json
from .keys import Keys
from .vault import Kept

FORMAT = "baotu secrets 1"
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
LONGEST = 64 * 1024  # characters: a chain of certificates with its key
Entry = dict[str, Any]


class SecretStore:
    """Safe from several threads and processes; it keeps no value in memory.

    versions: how many of each secret stay. changed: called after a change, with the name.
    """

    def __init__(
        self, path: Path, suite: Suite, keys: Keys, versions: int = 3,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:  # fmt: skip
        self.path, self.suite, self.keys, self.versions, self.now = path, suite, keys, versions, now
        self.changed: Callable[[str], None] = lambda name: None
        self._lock = threading.RLock()

    def names(self) -> list[Kept]:
        return [
            Kept(name=name, version=rows[-1]["version"], set_at=rows[-1]["set_at"],
                 set_by=rows[-1]["set_by"], versions=len(rows))
            for name, rows in sorted(self._read().items())
        ]  # fmt: skip

    def get(self, name: str) -> Secret:
        """The newest version. Raises ConfigError that says how to keep one."""
        row = self._newest(checked(name))
        for _ in range(3):
            try:
                return Secret(self._opened(name, row))
            except ConfigError:
                if row == (again := self._newest(name)):
                    raise
                row = again  # the node's key changed between the two files: this row names the new one
        return Secret(self._opened(name, row))

    def _newest(self, name: str) -> Entry:
        rows = self._read().get(name)
        if not rows:
            raise ConfigError(
                f"there is no secret {name!r}", str(self.path), f"keep it: baotu secret set {name}"
            )
        return rows[-1]

    def set(self, name: str, value: Secret, by: str) -> int:
        """Keep a new version; its number. Raises Invalid."""
        checked(name)
        if not value.value or len(value.value) > LONGEST:
            raise Invalid("value", f"1 to {LONGEST} characters are kept")
        with self._changing() as secrets:
            rows = secrets.setdefault(name, [])
            version = rows[-1]["version"] + 1 if rows else 1
            rows.append(self._sealed(name, version, value.value, by))
            del rows[: -self.versions]
        self.changed(name)
        return version

    def remove(self, name: str) -> None:
        """Forget all versions and their data keys. Raises Invalid when there is none."""
        with self._changing() as secrets:
            if secrets.pop(checked(name), None) is None:
                raise Invalid("name", f"there is no secret {name!r}")
        self.changed(name)

    def rotate(self) -> int:
        """Wrap every data key under a fresh key of the node; how many. Values stay as they are.

        The old key goes last: whoever reads meanwhile finds the key of what he reads.
        """
        with self._changing() as secrets:
            name = self.keys.add()
            over = self.keys.of(name)
            count = 0
            for secret, rows in secrets.items():
                for row in rows:
                    use = _use(secret, row["version"])
                    key = self.suite.unwrap(self.keys.of(row["key"]), _bytes(row["wrapped"]), use)
                    row["wrapped"], row["key"] = _text(self.suite.wrap(over, key, use)), name
                    count += 1
        self.keys.drop_others()
        return count

    def _sealed(self, name: str, version: int, value: str, by: str) -> Entry:
        over_name, over = self.keys.current()
        key, use = self.suite.new_key(), _use(name, version)
        return {
            "version": version, "set_at": self.now().isoformat(timespec="seconds"), "set_by": by,
            "key": over_name, "wrapped": _text(self.suite.wrap(over, key, use)),
            "sealed": _text(self.suite.seal(key, value.encode(), use)),
        }  # fmt: skip

    def _opened(self, name: str, row: Entry) -> str:
        use = _use(name, row["version"])
        try:
            key = self.suite.unwrap(self.keys.of(row["key"]), _bytes(row["wrapped"]), use)
            return self.suite.open(key, _bytes(row["sealed"]), use).decode()
        except (Forged, ValueError):
            raise ConfigError(
                f"the secret {name!r} was changed outside the store, or belongs to another key",
                str(self.path), f"keep it anew: baotu secret set {name}",
            ) from None  # fmt: skip

    def _read(self) -> dict[str, list[Entry]]:
        if not self.path.exists():
            return {}
        found = read_json(self.path, FORMAT).get("secrets")
        return found if isinstance(found, dict) else {}

    def _changing(self) -> _Change:
        return _Change(self)


class _Change:
    """Read, change, replace: one at a time; nothing is written when the change fails."""

    def __init__(self, store: SecretStore) -> None:
        self.store, self.file = store, alone(store.path)

    def __enter__(self) -> dict[str, list[Entry]]:
        self.store._lock.acquire()
        self.file.__enter__()
        self.secrets = self.store._read()
        return self.secrets

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        try:
            if kind is None:
                told: Mapping[str, Any] = {"format": FORMAT, "secrets": self.secrets}
                write_json(self.store.path, told)
        finally:
            self.file.__exit__(None, None, None)
            self.store._lock.release()


def checked(name: str) -> str:
    """Raises Invalid for what is no name."""
    if not NAME.fullmatch(name):
        raise Invalid(
            "name", "small letters, digits, . _ - and at most 63 of them, like mqtt-line1"
        )
    return name


def _use(name: str, version: int) -> bytes:
    return f"secret/{name}/{version}".encode()


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
