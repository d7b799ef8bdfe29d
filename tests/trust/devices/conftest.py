"""A hub's chain and its certificate authority, in this process; EST and status on ::1."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.trust.devices.site import Site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.close()


@pytest.fixture
def served(site: Site) -> Site:
    """With its listeners open."""
    site.serve()
    return site
