"""Signing keys of the provider: RS256, which every client must know, and ES256, which is smaller.

They rest in one file that only its owner may read. A key signs for `turn_s`, and is published for as
long again, so that tokens signed by it can still be checked.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from baotu.sdk import Denied
from baotu.sdk.clock import Clock

if TYPE_CHECKING:
    from joserfc.jwk import ECKey, KeySet, RSAKey

SECOND = 10**9
TURN_S = 90 * 86_400
ALGORITHMS = ("RS256", "ES256")


class Keys:
    """Safe to call from any thread. Reads and makes nothing before it is first asked, and loads the
    library then: a platform where no program signs people in pays for none of it."""

    def __init__(self, file: Path, clock: Clock, turn_s: float = TURN_S) -> None:
        self._file, self._clock, self._turn_s = file, clock, turn_s
        self._lock = threading.Lock()
        self._rows: list[dict[str, Any]] | None = None
        self._set: KeySet | None = None

    def public(self) -> dict[str, Any]:
        """The JSON Web Key Set (RFC 7517), the newest first."""
        return {"keys": [key.as_dict(private=False) for key in self._keys().keys]}

    def sign(self, claims: Mapping[str, Any], algorithm: str, kind: str = "JWT") -> str:
        from joserfc import jwt

        key = next(k for k in self._keys().keys if k.alg == algorithm)
        header = {"alg": algorithm, "kid": key.kid, "typ": kind}
        return jwt.encode(header, dict(claims), key, algorithms=list(ALGORITHMS))

    def read(self, token: str, kind: str = "JWT") -> dict[str, Any]:
        """The claims of a token of ours. Raises Denied; expiry is looked at by the caller."""
        from joserfc import jwt
        from joserfc.errors import JoseError

        try:
            found = jwt.decode(token, self._keys(), algorithms=list(ALGORITHMS))
        except (JoseError, ValueError) as error:
            raise Denied(f"not a token of this platform: {error}") from None
        if found.header.get("typ") != kind:
            raise Denied("a token for another purpose")
        return dict(found.claims)

    def _keys(self) -> KeySet:
        """The newest first; parsed once, since parsing checks them."""
        from joserfc.jwk import KeySet

        with self._lock:
            rows, fresh = self._turned()
            if self._set is None or fresh:
                self._set = KeySet([_key(row) for row in reversed(rows)])
            return self._set

    def _turned(self) -> tuple[list[dict[str, Any]], bool]:
        """The rows, with a new pair when the newest has signed long enough and without what is too
        old; and whether they are others than before."""
        if self._rows is None:
            self._rows = json.loads(self._file.read_text()) if self._file.exists() else []
        now = self._clock.now() // SECOND
        newest = max((row["made"] for row in self._rows), default=0)
        if now - newest < self._turn_s:
            return self._rows, False
        rows = [row for row in self._rows if now - row["made"] < 2 * self._turn_s]
        rows += [{"made": now, "jwk": _made(algorithm, now)} for algorithm in ALGORITHMS]
        self._keep(rows)
        self._rows = rows
        return rows, True

    def _keep(self, rows: list[dict[str, Any]]) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = self._file.with_suffix(".new")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(rows, file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._file)


def _key(row: Mapping[str, Any]) -> RSAKey | ECKey:
    from joserfc.jwk import ECKey, RSAKey

    kind = RSAKey if row["jwk"]["kty"] == "RSA" else ECKey
    return kind.import_key(row["jwk"])


def _made(algorithm: str, now: int) -> Mapping[str, Any]:
    from joserfc.jwk import ECKey, KeyParameters, RSAKey

    about: KeyParameters = {"use": "sig", "alg": algorithm, "kid": f"{algorithm.lower()}-{now}"}
    key: RSAKey | ECKey = (
        RSAKey.generate_key(2048, about)
        if algorithm == "RS256"
        else ECKey.generate_key("P-256", about)
    )
    return key.as_dict(private=True)
