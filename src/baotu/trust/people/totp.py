"""Time-based one-time passwords, RFC 6238 on RFC 4226, as authenticator apps speak them."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import b32decode, b32encode
from urllib.parse import quote

STEP_S, DIGITS = 30, 6  # RFC 6238, 4.1 and Appendix A: what every app takes
DRIFT = 1  # steps before and after (RFC 6238, 5.2: at most one is recommended)


def new_secret() -> str:
    """160 bits in base32 (RFC 4226, 4: R6)."""
    return b32encode(secrets.token_bytes(20)).decode()


def code(secret: bytes, step: int, digits: int = DIGITS, digest: str = "sha1") -> str:
    """RFC 4226, 5.3. digest: a name of hashlib; apps know sha1 only."""
    mac = hmac.new(secret, step.to_bytes(8, "big"), getattr(hashlib, digest)).digest()
    at = mac[-1] & 15
    number = int.from_bytes(mac[at : at + 4], "big") & 0x7FFFFFFF
    return str(number % 10**digits).zfill(digits)


def matched(secret: str, given: str, now_ns: int, after: int) -> int:
    """The step that this code is of, 0 for none. after: the last step taken: it and what lies
    before is never taken again (RFC 6238, 5.2)."""
    key, here = b32decode(secret), now_ns // 10**9 // STEP_S
    found = 0
    for step in range(here - DRIFT, here + DRIFT + 1):
        same = hmac.compare_digest(code(key, step).encode(), given.encode())
        if same and step > after:
            found = step
    return found


def address(secret: str, account: str, issuer: str) -> str:
    """otpauth://, what the QR code of an authenticator says."""
    label = quote(f"{issuer}:{account}", safe="")
    return f"otpauth://totp/{label}?secret={secret}&issuer={quote(issuer, safe='')}"
