"""The app of devices keeps the laws of apps, and its page says what to do."""

from __future__ import annotations

import datetime as dt
from itertools import count
from typing import Any

import pytest

from baotu.bench import Bench
from baotu.sdk import Conflict, view
from baotu.sdk.testing import check_app
from baotu.sdk.testing.business import Do
from baotu.trust.devices.app import Devices, Here
from baotu.trust.devices.authority import pem
from baotu.trust.devices.root import make_root

MAKER = pem(make_root("Acme", now=dt.datetime(2026, 6, 1, tzinfo=dt.UTC))[1])


class Ready(Devices):
    """Decides which devices may take part, on a node with an authority. 设备信任。"""

    def start(self) -> None:
        self.here = lambda: Here(url="https://[::1]:8443", root="-----BEGIN CERTIFICATE-----")
        words = count()
        self.chance = lambda: f"word-{next(words)}"

    @classmethod
    def name(cls) -> str:
        return "devices"


def test_it_keeps_the_laws_of_apps() -> None:
    check_app(
        Ready, bench=Bench,
        story=(
            Do("admit", {"name": "press-3", "title": "三号压机"}),
            Do("token", {"name": "press-3", "replace": True}),
            Do("withdraw", {"name": "press-3"}),
            Do("revoke", {"name": "press-3", "reason": "superseded"}),
            Do("retire", {"name": "press-3", "reason": "sold"}),
            Do("settle", {}),
            Do("trust_manufacturer", {"name": "acme", "certificates": MAKER}),
            Do("distrust_manufacturer", {"name": "acme"}),
        ),
    )  # fmt: skip


def test_without_an_authority_admission_says_what_to_run() -> None:
    with pytest.raises(Conflict, match="baotu ca init"):
        Bench(Devices()).do("admit", name="press-3")


def test_the_page_shows_devices_by_state_and_begins_with_advice() -> None:
    bench = Bench(Ready())
    kinds = [type(one) for one in view.walk(shown(bench))]
    assert view.Markdown in kinds and view.Table not in kinds
    bench.do("admit", name="press-3", title="三号压机")
    tables = [one for one in view.walk(shown(bench)) if isinstance(one, view.Table)]
    assert tables[0].rows[0][:4] == ("press-3", "三号压机", "device", "已接纳 Admitted")
    assert {action.command for action in tables[0].actions} == {"token", "revoke", "retire"}
    tiles = next(one for one in view.walk(shown(bench)) if isinstance(one, view.Tiles))
    assert [tile.value for tile in tiles.tiles] == [1, 0, 0, 0]


def shown(bench: Bench) -> Any:
    return bench.see("overview")
