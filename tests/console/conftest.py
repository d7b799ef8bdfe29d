"""A console over the fake plant: its API in process, its pages from a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from baotu.console.app import build_api
from tests.browser import Browser
from tests.console.fake import rooms

NOW = 1_780_000_000_500_000_000
ROOT = Path(__file__).parents[2]


class Web(TestClient):
    """Tells which rooms it stands before."""

    def __init__(self, mode: str = "well", size: int = 200) -> None:
        self.rooms = rooms(size, mode, now=lambda: NOW)
        super().__init__(build_api(self.rooms), raise_server_exceptions=False)


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    with Web() as client:
        yield client


@pytest.fixture(scope="module")
def burning() -> Iterator[Web]:
    with Web("fire", 400) as client:
        yield client


@pytest.fixture(scope="module")
def new() -> Iterator[Web]:
    with Web("few") as client:
        yield client


def served(*arguments: str) -> Iterator[str]:
    """The address of a fake console that runs until the test is over."""
    command = [sys.executable, "-m", "tests.console.fake", "--port", "0", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    yield from served("--tags", "1240", "--mode", "fire")


@pytest.fixture(scope="module")
def large() -> Iterator[str]:
    yield from served("--tags", "100000")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as browser:
        yield browser


@pytest.fixture
def tab(browser: Browser, site: str):
    tab = browser.open(f"{site}/metrics")
    yield tab
    tab.close()
