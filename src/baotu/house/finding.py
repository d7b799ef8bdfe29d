"""What `baotu doctor` says: one thing that was looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["good", "warning", "bad"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """state: bad keeps the platform from working. about: 中文 English. advice: what to do."""

    state: State
    about: str
    found: str
    advice: str = ""
