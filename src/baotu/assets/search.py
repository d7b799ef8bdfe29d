"""Which tags say a word: in their name, title, address or device. Columns in, a mask out."""

from __future__ import annotations

import numpy as np

from baotu.sdk.tags import Tags

FIELDS = ("asset", "property", "title", "address", "device")


def said(tags: Tags, word: str) -> np.ndarray:
    """bool: where a word (lower case, without blanks) is a part of what a tag says. Each distinct
    text is looked at once, so that 100,000 tags take a few milliseconds."""
    found = np.zeros(len(tags), bool)
    for field in FIELDS:
        found |= tags.mask(field, lambda text: word in text.lower())
    for at, letter in enumerate(word):
        if letter == "/":
            found |= _across(tags, word[:at], word[at + 1 :])
    return found


def _across(tags: Tags, left: str, right: str) -> np.ndarray:
    """bool: where a word lies across the stroke between asset and property."""
    ends = tags.mask("asset", lambda text: text.lower().endswith(left))
    return ends & tags.mask("property", lambda text: text.lower().startswith(right))
