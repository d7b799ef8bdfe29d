"""Annotations become checks, forms and answers; a mistake names its field."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated

import pytest
from sqlalchemy.orm import Mapped

from baotu.kernel.schema import Signature
from baotu.sdk import Facts, Invalid, Records, Samples, Table, Window


class Lamp(Table):
    name: Mapped[str]
    price: Mapped[Decimal]


@dataclass(frozen=True)
class Sum:
    of: list[int]
    money: Decimal


class Handlers:
    def command(
        self,
        records: Records,
        count: Annotated[int, "数 Count"],
        price: Decimal,
        at: datetime | None = None,
    ) -> Facts[Sum]: ...

    def stream(self, samples: Samples) -> Iterator[Samples]: ...

    def every(self, window: Window, records: Records) -> Iterator[Samples]: ...

    def row(self) -> list[Lamp]: ...


COMMAND = Signature(Handlers.command)


def test_text_and_json_are_accepted_alike():
    same = {"count": 3, "price": Decimal("1.50")}
    assert COMMAND.parse({"count": "3", "price": "1.50"}) == same
    assert COMMAND.parse({"count": 3, "price": 1.5}) == same


@pytest.mark.parametrize(
    ("change", "field"),
    [({"count": "many"}, "count"), ({"count": True}, "count"), ({"price": False}, "price"),
     ({"price": "1.005"}, "price"), ({"more": 1}, "more"),
     ({"at": "2026-06-01T08:00"}, "at")],
)  # fmt: skip
def test_the_first_mistake_names_its_field(change, field):
    with pytest.raises(Invalid) as wrong:
        COMMAND.parse({"count": 1, "price": 1} | change)
    assert wrong.value.field == field


def test_the_kernel_gives_what_is_annotated_so_and_asks_for_the_rest():
    assert COMMAND.given == {"records": Records}
    takes = COMMAND.takes()
    assert list(takes["properties"]) == ["count", "price", "at"]
    assert takes["properties"]["count"]["title"] == "数 Count"
    assert takes["required"] == ["count", "price"]


def test_a_listener_takes_columns_and_answers_nothing():
    assert Signature(Handlers.stream).given == {"samples": Samples}
    assert set(Signature(Handlers.every).given.values()) == {Window, Records}


def test_money_is_text_in_answers_and_rows_hide_their_organisation():
    assert COMMAND.dump(Sum(of=[1], money=Decimal("2.50"))) == {"of": [1], "money": "2.50"}
    lamp = Lamp(name="a", price=Decimal("1.00"))
    lamp.id = 1
    assert Signature(Handlers.row).dump([lamp]) == [{"id": 1, "name": "a", "price": "1.00"}]
    assert "$ref" not in str(Signature(Handlers.row).gives())


def test_a_whole_number_that_no_store_can_hold_is_refused_by_name() -> None:
    def acknowledge(self, alarm: int) -> None: ...

    for number in (2**63, -(2**63) - 1, 10**30):
        with pytest.raises(Invalid, match="alarm"):
            Signature(acknowledge).parse({"alarm": number})
    assert Signature(acknowledge).parse({"alarm": str(2**63 - 1)}) == {"alarm": 2**63 - 1}
