"""What a device has done so far, in numbers: shown in its health and exported as metrics."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Tally:
    """Only grows, from the start of the edge on."""

    samples: int = 0
    requests: int = 0
    answers: int = 0
    late: int = 0  # answers that came after their question was given up
    timeouts: int = 0
    refused: int = 0
    malformed: int = 0
    missed_ticks: int = 0
    connects: int = 0
    losses: int = 0
    writes: int = 0
    dropped: int = 0  # samples the edge could not take in time
