"""Witnesses: who keeps the newest checkpoint of a log elsewhere and signs only what follows it.

`Witness` is the port: an edge, another hub or a stranger's service may stand behind it, as
https://c2sp.org/tlog-witness describes (add-checkpoint); `FolderWitness` is one that keeps its
memory in a folder. A witness sees no record: a checkpoint and a proof are enough.
"""

from __future__ import annotations

import base64
import hashlib
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from .formats import Checkpoint, Damaged, Key, Signature, read_checkpoint, read_signatures, unbase64
from .keys import Signer, cosign
from .log import Log
from .tiles import Reader, consistent


class Refusal(Damaged):
    """A witness does not sign. status: as HTTP would say it. size: what it signed last."""

    def __init__(self, status: int, why: str, size: int = 0) -> None:
        super().__init__(why)
        self.status, self.size = status, size


class Witness(Protocol):
    """Where a log asks for a cosignature. One witness, one key."""

    @property
    def key(self) -> Key: ...

    def add_checkpoint(self, request: bytes) -> bytes:
        """Body of the request to body of the answer, both as in tlog-witness. Raises Refusal;
        with status 409 its `size` is what the witness saw last. OSError: it cannot be reached."""


def request(old: int, proof: Sequence[bytes], checkpoint: Checkpoint) -> bytes:
    """The body of add-checkpoint."""
    lines = [f"old {old}", *(base64.b64encode(one).decode() for one in proof)]
    return "\n".join(lines).encode() + b"\n\n" + bytes(checkpoint)


def read_request(body: bytes) -> tuple[int, list[bytes], Checkpoint]:
    """Raises Damaged."""
    head, _, note = body.partition(b"\n\n")
    first, *lines = head.decode("utf-8", "replace").split("\n")
    word, _, old = first.partition(" ")
    if word != "old" or not old.isdigit() or str(int(old)) != old or len(lines) > 63:
        raise Damaged("the request names no old size, or too many hashes")
    return int(old), [unbase64(line) for line in lines], read_checkpoint(note)


class FolderWitness:
    """Implements `Witness`. logs: keys of the logs it watches. now: s since 1970.

    Remembers before it answers: what it has signed once, it never contradicts, also after a crash.
    """

    def __init__(
        self, folder: Path, signer: Signer, logs: Sequence[Key], now: Callable[[], int]
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self._signer, self._now = folder, signer, now
        self._logs = {key.name: key for key in logs}
        self._lock = threading.Lock()

    @property
    def key(self) -> Key:
        return self._signer.key

    def latest(self, origin: str) -> Checkpoint | None:
        """What it signed last of a log: the checkpoint to verify that log against."""
        try:
            return read_checkpoint(self._path(origin).read_bytes())
        except FileNotFoundError:
            return None

    def add_checkpoint(self, request: bytes) -> bytes:
        try:
            old, proof, given = read_request(request)
        except Damaged as error:
            raise Refusal(400, str(error)) from None
        key = self._logs.get(given.origin)
        if key is None:
            raise Refusal(404, f"no log {given.origin} is watched here")
        self._signed(given, key)
        with self._lock:
            self._follows(old, proof, given, key)
            self._remember(given)
            return str(cosign(self._signer, given, self._now())).encode()

    def _signed(self, given: Checkpoint, key: Key) -> None:
        try:
            signers = given.signers([key])
        except Damaged as error:
            raise Refusal(403, str(error)) from None
        if not signers:
            raise Refusal(403, "the log has not signed it")

    def _follows(self, old: int, proof: Sequence[bytes], given: Checkpoint, key: Key) -> None:
        if old > given.size:
            raise Refusal(400, f"{given.size} records are fewer than {old}")
        hashing, last = key.kind.hashing, self.latest(given.origin)
        size, root = (last.size, last.root) if last else (0, hashing.root(()))
        if old != size:
            raise Refusal(409, f"{size} records were signed last, not {old}", size)
        if old == given.size and root != given.root:
            raise Refusal(409, f"another log of {size} records was signed", size)
        try:
            consistent(old, given.size, root, given.root, proof, hashing)
        except Damaged as error:
            raise Refusal(422, str(error)) from None

    def _remember(self, given: Checkpoint) -> None:
        path = self._path(given.origin)
        fresh = path.with_name(path.name + ".new")
        with fresh.open("wb") as file:
            file.write(bytes(given))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        place = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(place)
        finally:
            os.close(place)

    def _path(self, origin: str) -> Path:
        return self.folder / f"{hashlib.sha256(origin.encode()).hexdigest()[:32]}.checkpoint"


def witnessed(log: Log, witnesses: Sequence[Witness]) -> list[str]:
    """Ask each for its signature on the newest checkpoint and keep what they signed; names of
    those who did not, with why. Never raises for a witness."""
    now, reader = log.checkpoint, Reader(log.folder, log.hashing)
    lines: list[Signature] = []
    signed: list[Key] = []
    failed = []
    for witness in witnesses:
        try:
            lines.append(_asked(witness, now, reader))
            signed.append(witness.key)
        except (Damaged, OSError) as error:
            failed.append(f"{witness.key.name}: {error}")
    if lines:
        log.keep_cosigned(log.extended(now, lines), signed)
    return failed


def _asked(witness: Witness, now: Checkpoint, reader: Reader) -> Signature:
    """It is asked from the size it saw last; it tells that one by its refusal."""
    old = now.size
    for _ in range(2):
        proof = reader.consistency(old, now.size)
        try:
            answer = witness.add_checkpoint(request(old, proof, now))
        except Refusal as refusal:
            if refusal.status != 409 or refusal.size in (old, now.size) or refusal.size > now.size:
                raise
            old = refusal.size
            continue
        for line in read_signatures(answer):
            if (line.name, line.id) == (witness.key.name, witness.key.id):
                witness.key.check(now.text, line.data)
                return line
        raise Damaged("its answer holds no signature of its own")
    raise Damaged("it does not say what it signed last")
