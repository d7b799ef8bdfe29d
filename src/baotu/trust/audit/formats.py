"""What a transparency log is written in: Merkle hashes, signed checkpoints, tiles, proofs.

RFC 6962 (hashes), RFC 9162 (proofs), https://c2sp.org: signed-note, tlog-checkpoint,
tlog-cosignature, tlog-tiles, tlog-proof. Pure: no file is written, no clock is read. Imports the
standard library only, and `cryptography` where a signature is judged: see `single`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WIDTH = 256  # hashes in a full tile, entries in a full bundle
ENTRIES = "entries"
STEP = 1024  # records from one kept checkpoint to the next: so one that is missing is missed
NEWEST, HISTORY, COSIGNED = "checkpoint", "checkpoints", "cosigned"
END = b"\n\f\n"  # between kept checkpoints: no note holds a form feed (signed-note, Format)


class Damaged(ValueError):
    """What was read is not what it ought to be."""


# -- RFC 6962, 2.1 -------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Hashing:
    """Merkle hashing over a hash function of `hashlib`: leaves begin with 0x00, nodes with 0x01."""

    name: str = "sha256"

    def plain(self) -> Callable[[bytes], Any]:
        return getattr(hashlib, self.name, None) or (lambda data: hashlib.new(self.name, data))

    def leaf(self, entry: bytes) -> bytes:
        return bytes(self.plain()(b"\0" + entry).digest())

    def node(self, left: bytes, right: bytes) -> bytes:
        return bytes(self.plain()(b"\1" + left + right).digest())

    def leaves(self, entries: Sequence[bytes]) -> list[bytes]:
        plain = self.plain()
        return [plain(b"\0" + entry).digest() for entry in entries]

    def root(self, hashes: Sequence[bytes]) -> bytes:
        """The Merkle tree hash over hashes of equal subtrees, the last of which may be smaller.

        Pairing from the left and lifting what is left over is the recursion of RFC 6962, 2.1.
        """
        plain, row = self.plain(), list(hashes)
        if not row:
            return bytes(plain(b"").digest())
        while len(row) > 1:
            pairs = range(0, len(row) - 1, 2)
            above = [plain(b"\1" + row[i] + row[i + 1]).digest() for i in pairs]
            row = above + row[-1:] if len(row) % 2 else above
        return row[0]

    def fold(self, edge: Sequence[Sequence[bytes]]) -> bytes:
        """The root of a tree by its right edge: the hashes of the last tile of each level."""
        rest: list[bytes] = []
        for hashes in edge:
            if row := [*hashes, *rest]:
                rest = [self.root(row)]
        return rest[0] if rest else self.root(())


SHA256 = Hashing()


# -- https://c2sp.org/signed-note ----------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Kind:
    """A signature algorithm of a note. verify: (public key, message, signature); raises
    Exception of its own. timed: the signature begins with a time, see tlog-cosignature."""

    name: str
    verify: Callable[[bytes, bytes, bytes], None]
    hashing: Hashing = SHA256
    timed: bool = False


def _ed25519(public: bytes, message: bytes, signature: bytes) -> None:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except InvalidSignature:
        raise Damaged("the signature does not verify") from None


ED25519, COSIGNATURE = b"\x01", b"\x04"
KINDS: Mapping[bytes, Kind] = {
    ED25519: Kind("Ed25519", _ed25519),
    COSIGNATURE: Kind("Ed25519 cosignature/v1", _ed25519, timed=True),
}


def unbase64(text: str) -> bytes:
    """Strict: one text for one value, so that no bit of a file can change unnoticed."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Damaged(f"{text[:20]!r} is not base64") from None
    if base64.b64encode(data).decode() != text:
        raise Damaged(f"{text[:20]!r} is not canonical base64")
    return data


@dataclass(frozen=True, slots=True)
class Key:
    """A verifier key: `name+id+base64(type, public key)`."""

    name: str
    type: bytes
    public: bytes
    kind: Kind

    @property
    def id(self) -> bytes:
        return key_id(self.name, self.type, self.public)

    def __str__(self) -> str:
        data = base64.b64encode(self.type + self.public).decode()
        return f"{self.name}+{self.id.hex()}+{data}"

    def check(self, text: bytes, signature: bytes) -> int:
        """The time of a cosignature, else 0. Raises Damaged."""
        if not self.kind.timed:
            self.kind.verify(self.public, text, signature)
            return 0
        time = int.from_bytes(signature[:8], "big")
        self.kind.verify(self.public, cosigned(time, text), signature[8:])
        return time


def key_id(name: str, type: bytes, public: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + type + public).digest()[:4]


def cosigned(time: int, text: bytes) -> bytes:
    """What a witness signs: https://c2sp.org/tlog-cosignature."""
    return b"cosignature/v1\ntime %d\n" % time + text


def read_key(text: str, kinds: Mapping[bytes, Kind] = KINDS) -> Key:
    """Raises Damaged for what is no verifier key of a known kind."""
    name, _, rest = text.strip().partition("+")
    id, _, data = rest.partition("+")
    raw = unbase64(data)
    type = next((t for t in kinds if raw.startswith(t)), None)
    if not name or type is None:
        raise Damaged(f"{text.strip()[:40]!r} is not a verifier key of a known kind")
    key = Key(name, type, raw[len(type) :], kinds[type])
    if key.id.hex() != id:
        raise Damaged(f"the key of {name} does not fit its id {id}")
    return key


@dataclass(frozen=True, slots=True)
class Signature:
    name: str
    id: bytes
    data: bytes

    def __str__(self) -> str:
        return f"— {self.name} {base64.b64encode(self.id + self.data).decode()}\n"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A signed tree head: https://c2sp.org/tlog-checkpoint."""

    origin: str
    size: int
    root: bytes
    signatures: tuple[Signature, ...] = ()

    @property
    def text(self) -> bytes:
        """What is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n".encode()

    def __bytes__(self) -> bytes:
        return self.text + b"\n" + "".join(map(str, self.signatures)).encode()

    def signers(self, keys: Sequence[Key], strict: bool = False) -> list[tuple[Key, int]]:
        """Who of these signed, and when (cosignatures; else 0). Unknown signers are ignored as the
        specification wants; strict: none may be there. Raises Damaged for a false signature."""
        known = {(key.name, key.id): key for key in keys}
        found = []
        for line in self.signatures:
            key = known.get((line.name, line.id))
            if key is not None:
                found.append((key, key.check(self.text, line.data)))
            elif strict:
                raise Damaged(f"signed by {line.name}, whose key is not known here")
        return found


def read_checkpoint(data: bytes) -> Checkpoint:
    """Raises Damaged when one byte is not as it would be written."""
    try:
        lines = data.decode().split("\n")
        origin, size, root, blank, *rest = lines
        made = Checkpoint(origin, int(size), unbase64(root), tuple(map(_signature, rest[:-1])))
    except (ValueError, IndexError) as error:
        raise Damaged(f"no checkpoint: {error}") from None
    if blank or bytes(made) != data or not made.signatures:
        raise Damaged("no checkpoint: not in its canonical form")
    return made


def read_signatures(data: bytes) -> list[Signature]:
    """Signature lines alone, as a witness answers them. Raises Damaged."""
    try:
        return [_signature(line) for line in data.decode().splitlines()]
    except ValueError as error:
        raise Damaged(f"no signature lines: {error}") from None


def _signature(line: str) -> Signature:
    dash, name, data = line.split(" ")
    raw = unbase64(data)
    if dash != "—" or not name:
        raise Damaged("no signature line")
    return Signature(name, raw[:4], raw[4:])


# -- https://c2sp.org/tlog-tiles -----------------------------------------------------------------
def place(level: int | str, number: int, width: int = WIDTH) -> str:
    """`tile/<level>/x001/x234/067`, with `.p/<width>` for a partial one."""
    rest, parts = divmod(number, 1000)[0], [f"{number % 1000:03d}"]
    while rest:
        rest, last = divmod(rest, 1000)
        parts.insert(0, f"x{last:03d}")
    partial = f".p/{width}" if width < WIDTH else ""
    return f"tile/{level}/{'/'.join(parts)}{partial}"


def split(bundle: bytes) -> Iterator[bytes]:
    """Entries of a bundle: each after its length, two bytes big-endian. Raises Damaged."""
    at, end = 0, len(bundle)
    while at < end:
        size = int.from_bytes(bundle[at : at + 2], "big")
        at += 2 + size
        if at > end:
            raise Damaged("ends within an entry")
        yield bundle[at - size : at]


def widths(size: int) -> list[tuple[int, int]]:
    """(full tiles, width of the partial one) of each level of a tree of this size."""
    found = []
    while size:
        found.append(divmod(size, WIDTH))
        size //= WIDTH
    return found


# -- one record by its proof ---------------------------------------------------------------------
def climb(
    index: int, size: int, leaf: bytes, path: Sequence[bytes], hashing: Hashing = SHA256
) -> bytes:
    """The root that a leaf and its inclusion proof give: RFC 9162, 2.1.3.2. Raises Damaged."""
    if not 0 <= index < size:
        raise Damaged(f"record {index} is not among {size}")
    at, last, root = index, size - 1, leaf
    for other in path:
        if last == 0:
            raise Damaged("the proof is too long")
        if at % 2 or at == last:
            root = hashing.node(other, root)
            while at and not at % 2:
                at, last = at // 2, last // 2
        else:
            root = hashing.node(root, other)
        at, last = at // 2, last // 2
    if last:
        raise Damaged("the proof is too short")
    return root
