"""A smaller run of what benchmarks/est.py does 10,000 times: nothing bad is accepted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from benchmarks._est import Hub, attack


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    made = Hub(tmp_path)
    yield made
    made.close()


def test_of_bad_credentials_of_every_kind_none_is_accepted(hub: Hub) -> None:
    outcome = attack(hub, 500, seed=7)
    assert len(outcome.answers) >= 20
    assert (outcome.accepted, outcome.issued, outcome.still_good) == (0, 0, True)
    strange = {k: a for k, a in outcome.answers.items() if not a.keys() <= {0, 400, 401, 403}}
    assert strange == {}, "each is a refusal, none a fault of ours"
    kinds = {row[0].partition(":")[0] for row in hub.store.ask("SELECT kind FROM alarms_alarm_row")}
    assert {"cloned", "expired", "early", "owner", "revoked", "replayed", "unknown"} <= kinds
