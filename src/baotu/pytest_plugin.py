"""What pytest gives authors of apps: a platform in memory. Found by its entry point `pytest11`."""

from __future__ import annotations

import pytest

from baotu.bench import Bench


@pytest.fixture
def baotu_bench() -> type[Bench]:
    """The class to play on: `baotu_bench(MyApp())`, or `check_app(MyApp, bench=baotu_bench, …)`."""
    return Bench
