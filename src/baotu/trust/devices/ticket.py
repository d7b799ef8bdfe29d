"""What a new device is handed: where to enrol, as whom, by which token, and which root to trust.

One word that can be pasted. Whoever has it is the device, once, until it expires.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from dataclasses import asdict, dataclass

from baotu.sdk import Invalid

PREFIX = "baotu1."
LONGEST = 16_384


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """url: of the EST server. root: PEM of the certificate that everything hangs from."""

    url: str
    organisation: str
    device: str
    token: str
    root: str

    def text(self) -> str:
        packed = zlib.compress(json.dumps(asdict(self)).encode(), 9)
        return PREFIX + base64.urlsafe_b64encode(packed).decode().rstrip("=")


def read(text: str) -> Ticket:
    """Raises Invalid when it is no ticket."""
    text = "".join(text.split())
    wrong = Invalid("ticket", "不是票据，请整段粘贴 That is no ticket: paste it whole")
    if not text.startswith(PREFIX) or len(text) > LONGEST:
        raise wrong
    body = text.removeprefix(PREFIX)
    try:
        packed = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
        unpacker = zlib.decompressobj()
        told = json.loads(unpacker.decompress(packed, LONGEST))
        return Ticket(**{name: str(told[name]) for name in Ticket.__slots__})
    except (binascii.Error, zlib.error, ValueError, KeyError, TypeError):
        raise wrong from None
