"""Chinese by the letters of its pinyin: `wd`, `wendu` and `wend` find 温度.

Holds no index: a word is walked along a text. The readings of the 6763 characters of GB/T 2312 are
loaded when somebody first types letters; pypinyin's table of phrases (40 MB) is left out, as every
reading of a character is accepted anyway.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache

LEAST = 2  # one letter would find everything


@cache
def readings() -> Mapping[str, tuple[str, ...]]:
    """How a character may be read, without tones; ü is written v."""
    os.environ.setdefault("PYPINYIN_NO_PHRASES", "1")  # read by pypinyin when it is imported
    os.environ.setdefault("PYPINYIN_NO_DICT_COPY", "1")
    from pypinyin import Style, pinyin

    rows = (bytes((high, low)) for high in range(0xB0, 0xF8) for low in range(0xA1, 0xFF))
    characters = "".join(row.decode("gb2312", "ignore") for row in rows)
    told = pinyin(characters, style=Style.NORMAL, heteronym=True)
    return {one: tuple(known) for one, known in zip(characters, told, strict=True)}


@cache
def beginning(letter: str) -> frozenset[str]:
    """Characters with a reading that begins with this letter, and the letter itself."""
    known = readings().items()
    return frozenset({letter, *(c for c, told in known if any(r[0] == letter for r in told))})


def spelled(word: str, text: str) -> bool:
    """Whether some characters of the text, one after the other, are spelled so.

    >>> spelled("wd", "出口温度"), spelled("wendu", "出口温度"), spelled("wdu", "压力")
    (True, True, False)
    """
    if not word.isascii() or not word.isalnum() or sum(c.isalpha() for c in word) < LEAST:
        return False
    first = beginning(word[0])
    return any(c in first and _walk(word, 0, text, at) for at, c in enumerate(text))


def fits(words: list[str], text: str) -> bool:
    """Every word is in the text, as it is written or as it is spelled. All in small letters."""
    return all(word in text or spelled(word, text) for word in words)


def _walk(word: str, done: int, text: str, at: int) -> bool:
    """Whether word[done:] is spelled from text[at:] on: by initials, syllables, or both."""
    if done == len(word):
        return True
    if at == len(text):
        return False
    one = text[at]
    if one == " " and done:
        return _walk(word, done, text, at + 1)
    if one == word[done] and _walk(word, done + 1, text, at + 1):
        return True
    rest = word[done:]
    for reading in readings().get(one, ()):
        if reading.startswith(rest):
            return True
        for piece in {reading, reading[0], reading[:2] if reading[1:2] == "h" else reading}:
            if rest.startswith(piece) and _walk(word, done + len(piece), text, at + 1):
                return True
    return False
