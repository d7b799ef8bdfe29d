"""Reads fenced blocks out of the documentation, so that tests can do what a page says."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)


@dataclass(frozen=True)
class Block:
    """language as after the fence; text between the fences."""

    language: str
    text: str

    @property
    def file(self) -> str:
        """The path in a first line like `# src/x.py`, or nothing."""
        first = self.text.partition("\n")[0]
        found = re.fullmatch(r"# (\S+\.\w+)", first)
        return found[1] if found else ""

    @property
    def content(self) -> str:
        return self.text.partition("\n")[2] if self.file else self.text


def blocks(page: str) -> list[Block]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return [Block(m[1], m[2]) for m in _BLOCK.finditer(text)]
