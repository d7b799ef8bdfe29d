"""The suites by their names in the configuration. A suite that cannot work here says what is
missing; another one is never taken in its place."""

from __future__ import annotations

from baotu.sdk import ConfigError

from .suite import Suite

NAMES = ("international", "guomi")


def suite(name: str = "international") -> Suite:
    """international: Ed25519 or ECDSA P-256, SHA-256, AES-256-GCM. guomi 国密: SM2, SM3, SM4-GCM.

    Raises ConfigError for a name that is none, or when a part of the suite is not installed.
    """
    if name == "international":
        from .international import International

        return International()
    if name == "guomi":
        from .guomi import Guomi
        from .sm2 import gmssl

        gmssl()
        return Guomi()
    raise ConfigError(f"no cipher suite {name!r}", "[trust] suite", f"one of {', '.join(NAMES)}")


def of_mark(mark: bytes) -> Suite:
    """The suite that has sealed something, by its first byte. Raises ConfigError."""
    names = {b"\x01": "international", b"\x02": "guomi"}
    return suite(names.get(mark, mark.hex()))
