"""What a refusal means for the quality of its tags, by the words drivers use."""

from __future__ import annotations

from baotu.sdk import Quality, Refused

# The first row with a word that occurs decides.
_WORDS = (
    ("address", Quality.BAD_ADDRESS_UNKNOWN),
    ("idunknown", Quality.BAD_ADDRESS_UNKNOWN),
    ("idinvalid", Quality.BAD_ADDRESS_UNKNOWN),
    ("not found", Quality.BAD_ADDRESS_UNKNOWN),
    ("no such", Quality.BAD_ADDRESS_UNKNOWN),
    ("range", Quality.BAD_OUT_OF_RANGE),
    ("value", Quality.BAD_OUT_OF_RANGE),
    ("denied", Quality.BAD_ACCESS_DENIED),
    ("permission", Quality.BAD_ACCESS_DENIED),
    ("access", Quality.BAD_ACCESS_DENIED),
    ("function", Quality.BAD_ACCESS_DENIED),
    ("busy", Quality.BAD_WAITING),
    ("gateway", Quality.BAD_NO_COMMUNICATION),
    ("failure", Quality.BAD_DEVICE_FAILURE),
)


def quality_of(refusal: Refused) -> Quality:
    """
    >>> quality_of(Refused("40021 refused (illegal data address)", 2))
    <Quality.BAD_ADDRESS_UNKNOWN: 136>
    >>> quality_of(Refused("holding:7: unknown exception (exception 77); look the address up", 77))
    <Quality.BAD: 128>
    """
    text = str(refusal).partition(";")[0].lower()  # what comes after is advice
    return next((quality for word, quality in _WORDS if word in text), Quality.BAD)
