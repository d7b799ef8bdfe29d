"""What refusals say in both languages. The source says it in English, `messages.toml` in Chinese.

An author outside may write «中文 English» at once: that is left as it is. Knows no language but
these two, and translates whole messages only, never words.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache, lru_cache
from importlib.resources import files

SEAM = "\u2002"  # between both halves; looks like the space of «中文 English», and is found again
HOLE = "{}"
BEGINS_CHINESE = re.compile(r"[\u3400-\u9fff]")


@lru_cache(maxsize=512)
def bilingual(said: str) -> str:
    """`bilingual("unknown key 'x'")` says 未知的键 'x' and the English, with a seam between.

    What is in no catalogue stays as it is; of «where: message» the message is looked up.
    """
    if not said or BEGINS_CHINESE.match(said):
        return said
    if SEAM in said and bilingual(said.partition(SEAM)[2]) == said:
        return said  # it is whole; else a value in it is a message of its own
    for english, chinese, literal in catalogue():
        if literal not in said or not (found := _pattern(english).fullmatch(said)):
            continue
        if all(map(_sound, found.groups())):
            parts = [_halves(part) for part in found.groups()]
            return f"{_filled(chinese, parts, 0)}{SEAM}{_filled(english, parts, 1)}"
    where, colon, rest = said.partition(": ")
    if colon and SEAM in (told := bilingual(rest)):
        chinese, english = halves(told)
        return f"{where}: {chinese}{SEAM}{where}: {english}"
    return said


def halves(said: str) -> tuple[str, str]:
    """Chinese and English of a message; both the same where there is one language only."""
    chinese, seam, english = said.partition(SEAM)
    return (chinese, english) if seam else (said, said)


@cache
def catalogue() -> tuple[tuple[str, str, str], ...]:
    """(English, Chinese, longest literal part), the most literal first."""
    text = files(__package__).joinpath("messages.toml").read_text(encoding="utf-8")
    rows = [row for room in tomllib.loads(text).values() for row in room.items()]
    rows.sort(key=lambda row: -len(row[0].replace(HOLE, "")))
    return tuple((en, zh, max(en.split(HOLE), key=len)) for en, zh in rows)


def _pattern(english: str) -> re.Pattern[str]:
    return re.compile("(.+?)".join(map(re.escape, english.split(HOLE))), re.DOTALL)


def _sound(part: str) -> bool:
    """A value that has a seam is a message of its own, not one end of it."""
    english = part.partition(SEAM)[2]
    return not english or SEAM in bilingual(english)


def _halves(part: str) -> tuple[str, str]:
    """Of what stands in a hole: it may be a message of its own."""
    return halves(bilingual(part))


def _filled(template: str, parts: list[tuple[str, str]], which: int) -> str:
    pieces = template.split(HOLE)
    return pieces[0] + "".join(
        part[which] + piece for part, piece in zip(parts, pieces[1:], strict=True)
    )
