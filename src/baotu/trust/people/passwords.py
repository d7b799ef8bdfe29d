"""Passwords: argon2id, few at a time, and which ones are taken.

What is kept says its own parameters, so that they may grow. Never logs or keeps one in the clear.
"""

from __future__ import annotations

import threading
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from baotu.sdk import Invalid, Unreachable

AT_ONCE, MAY_WAIT, WAIT_S = 2, 8, 10.0
LONG, SHORT, KINDS, LONGEST, REST = 15, 10, 3, 256, 8
GUESSES = 10**8  # fewer than these are tried in an hour against one account's hash


class Hasher:
    """argon2id (RFC 9106) with the least that OWASP's cheat sheet allows or more, p = 1."""

    def __init__(self, memory_mb: int, rounds: int) -> None:
        self._memory_kib, self._rounds = memory_mb * 1024, rounds
        self._turn, self._lock, self._inside = threading.Semaphore(AT_ONCE), threading.Lock(), 0
        self._made: Any = None
        self._nobody = ""

    def hash(self, password: str) -> str:
        with self._turns():
            return str(self._argon().hash(normal(password)))

    def verify(self, kept: str, password: str) -> bool:
        """Takes as long for a name without a hash (`kept` empty) as for any other."""
        from argon2.exceptions import Argon2Error, InvalidHashError

        known = kept or self._dummy()
        with self._turns():
            try:
                right = bool(self._argon().verify(known, normal(password)))
            except (Argon2Error, InvalidHashError):
                right = False
        return right and bool(kept)

    def stale(self, kept: str) -> bool:
        """Hashed with other parameters than today's."""
        return bool(self._argon().check_needs_rehash(kept))

    def warm(self) -> None:
        """Make what the first attempt would wait for."""
        self._dummy()

    def _argon(self) -> Any:
        if self._made is None:
            from argon2 import PasswordHasher, Type  # not before somebody signs in

            self._made = PasswordHasher(
                time_cost=self._rounds, memory_cost=self._memory_kib, parallelism=1, type=Type.ID
            )
        return self._made

    def _dummy(self) -> str:
        if not self._nobody:
            self._nobody = self.hash("nobody has this")
        return self._nobody

    @contextmanager
    def _turns(self) -> Iterator[None]:
        """Two at a time, few who wait: a flood of sign-ins eats neither memory nor threads."""
        with self._lock:
            if self._inside >= AT_ONCE + MAY_WAIT:
                raise Unreachable("too many people sign in at once: try again in a few seconds")
            self._inside += 1
        try:
            if not self._turn.acquire(timeout=WAIT_S):
                raise Unreachable("too many people sign in at once: try again in a few seconds")
            try:
                yield
            finally:
                self._turn.release()
        finally:
            with self._lock:
                self._inside -= 1


def normal(password: str) -> str:
    """One form for what looks the same, however it was typed (SP 800-63B-4, 3.1.1.2: NFKC)."""
    return unicodedata.normalize("NFKC", password)


def check(password: str, about: Sequence[str]) -> None:
    """Raises Invalid("password", …). about: names that a password must not be made of.

    NIST SP 800-63B-4, 3.1.1.2 asks for 15 characters, no rules of composition, and a list of common
    ones; GB/T 22239-2019 8.1.4.1 a asks for complexity. So: 15 characters of any kind, or 10 of three
    kinds; and never one that is guessed quickly.
    """
    password = normal(password)
    size, kinds = len(password), kinds_of(password)
    if size > LONGEST:
        raise Invalid("password", f"at most {LONGEST} characters")
    if size < SHORT or (size < LONG and kinds < KINDS):
        raise Invalid(
            "password",
            f"口令太短：至少 {LONG} 个字符，或 {SHORT} 个且含小写、大写、数字、符号中的三类 Too short: "
            f"at least {LONG} characters, or {SHORT} with three of: small letters, capitals, digits, others",
        )
    rest = password.casefold()
    for word in sorted((normal(w).casefold() for w in about if len(w) > 2), key=len, reverse=True):
        rest = rest.replace(word, "")  # what everybody knows protects nothing
    if len(rest) < REST or guesses(password, about) < GUESSES:
        raise Invalid(
            "password",
            "口令太容易猜：不要用常见词、姓名、键盘顺序，几个不相关的词更好 Too easy to guess: no common "
            "words, names or rows of keys; a few unrelated words are better",
        )


def kinds_of(password: str) -> int:
    """Of small letters, capitals, digits and everything else (also 汉字)."""
    small = any(c.islower() for c in password)
    large = any(c.isupper() for c in password)
    digit = any(c.isdigit() for c in password)
    other = any(not (c.islower() or c.isupper() or c.isdigit()) for c in password)
    return small + large + digit + other


def guesses(password: str, about: Sequence[str]) -> float:
    """How many a good guesser needs: zxcvbn's estimate (Wheeler, USENIX Security 2016)."""
    from zxcvbn import zxcvbn  # some MB of words: when somebody chooses a password, not before

    known = [*about, "baotu", "趵突", "admin", "administrator", "管理员"]
    return float(zxcvbn(password[:72], [word for word in known if word])["guesses"])
