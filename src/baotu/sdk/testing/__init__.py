"""The test kit for authors: feed an app, check a driver, without a plant. Public and versioned.

`baotu_bench` is a pytest fixture (entry point `pytest11`); the checks of drivers and histories
are in the modules `drivers`, `sessions`, `cases` and `history`.
"""

from .apps import check_app
from .business import Bench, Do, Fault, Feed, Say, Step, Wait, Work
from .clock import JumpingClock
from .feed import feed, samples

__all__ = [
    "Bench", "Do", "Fault", "Feed", "JumpingClock", "Say", "Step", "Wait", "Work", "check_app",
    "feed", "samples",
]  # fmt: skip
