"""Launchers for each kind of machine that this one can pass for."""

import os

import pytest

from baotu.trust.sandbox import Launcher

from .house import House, house

MODES = ("root", "user", "")
NAMES = {"root": "as-root", "user": "user-namespaces", "": "landlock-alone"}


@pytest.fixture(scope="module", params=MODES, ids=NAMES.get)
def launcher(request):
    """Every way of confining that this machine has; the others are skipped by name."""
    one = Launcher(most=request.param)
    means = one.means()
    if not means.enough() or means.namespaces != request.param:
        one.stop()
        if os.environ.get("CI"):
            pytest.fail(f"this machine cannot confine by {NAMES[request.param]}: {means}")
        pytest.skip(f"this machine cannot confine by {NAMES[request.param]}: {means}")
    yield one
    one.stop()


@pytest.fixture(scope="module")
def best():
    """The best that this machine can do."""
    one = Launcher()
    if not one.means().enough():
        one.stop()
        pytest.skip(f"this machine cannot confine a process: {one.means()}")
    yield one
    one.stop()


@pytest.fixture
def made():
    """Houses that are closed when the test is over."""
    found: list[House] = []

    def make(*given, **more):
        found.append(house(*given, **more))
        return found[-1]

    yield make
    for one in found:
        for remote in one.remotes:
            remote.close()
