"""What pytest gives authors of apps: a platform in memory. Found by its entry point `pytest11`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from baotu.bench import Bench


@pytest.fixture
def baotu_bench() -> type[Bench]:
    """The class to play on: `baotu_bench(MyApp())`, or `check_app(MyApp, bench=baotu_bench, …)`."""
    from baotu.bench import Bench  # only when it is used: pytest loads this module every time

    return Bench
