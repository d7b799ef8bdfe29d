"""Cryptography of the platform: two suites behind one interface, chosen by configuration.

Nothing here invents an algorithm: it calls `cryptography` (OpenSSL) and GmSSL, fixes what may be
chosen wrongly (nonces, padding, encodings, comparisons) and never falls back from one suite to the
other. It is software: a module certified to GM/T 0028 or FIPS 140-3 is a purchase.
"""

from .phrase import Stretch, stretch
from .suite import Forged, Key, Public, Suite, signer_of, verifier_of
from .suites import NAMES, suite

__all__ = [
    "NAMES",
    "Forged",
    "Key",
    "Public",
    "Stretch",
    "Suite",
    "signer_of",
    "stretch",
    "suite",
    "verifier_of",
]
