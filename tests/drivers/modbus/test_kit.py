"""The conformance check is worth something: careless drivers are caught, each with its words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from baotu.drivers.modbus import DRIVER
from baotu.drivers.modbus.driver import Modbus
from baotu.drivers.modbus.settings import Settings
from baotu.sdk import Malformed, Refused, Request, Samples, Tag
from baotu.sdk.testing.cases import run_case
from baotu.sdk.testing.drivers import check_driver, check_settings

from .device import Device, tags

TAGS = tags("holding:0", "holding:1:int16", "holding:9:float32", "coil:3", writable=True)


class Forgets(Modbus):
    def plan(self, tags: Sequence[Tag]) -> list[Request]:
        return super().plan(tags[1:])


class Repeats(Modbus):
    def plan(self, tags: Sequence[Tag]) -> list[Request]:
        return super().plan([*tags, *tags[:1]])


class InOrderOfTags(Modbus):
    def plan(self, tags: Sequence[Tag]) -> list[Request]:
        return [r for tag in tags for r in super(InOrderOfTags, self).plan([tag])][
            :2
        ] + super().plan(tags[2:])


class WaitsForEver(Modbus):
    def whole(self, buffer: bytes | bytearray) -> tuple[int, int | None]:
        try:
            return super().whole(buffer)
        except Malformed:
            return 0, None


class TakesTooMuch(Modbus):
    def whole(self, buffer: bytes | bytearray) -> tuple[int, int | None]:
        length, number = super().whole(buffer)
        return (len(buffer) if length else 0), number


class Careless(Modbus):
    def decode(self, request: Request, answer: bytes, time: int) -> list[Samples]:
        return super().decode(request, answer.ljust(len(answer) + 1, b"\0")[:-1], time)[:0]


class OwnTime(Modbus):
    def decode(self, request: Request, answer: bytes, time: int) -> list[Samples]:
        return super().decode(request, answer, time + 1)


class TakesAnyLength(Modbus):
    def decode(self, request: Request, answer: bytes, time: int) -> list[Samples]:
        return super().decode(request, answer[: 6 + answer[5]] if len(answer) > 5 else answer, time)


class Crashes(Modbus):
    def decode(self, request: Request, answer: bytes, time: int) -> list[Samples]:
        answer[8]  # IndexError on a short answer
        return super().decode(request, answer, time)


class Stubborn(Modbus):
    def replan(self, request: Request, refusal: Refused) -> list[Request]:
        return [replace(request)]


class WritesElsewhere(Modbus):
    def write(self, tag: Tag, value: float | str) -> list[Request]:
        return super().write(replace(tag, address="holding:500"), value)


class WritesAnything(Modbus):
    def write(self, tag: Tag, value: float | str) -> list[Request]:
        return super().write(tag, value if value in (0, 1) else 0)


class SharedState(Modbus):
    seen: dict[int, str] = {}

    def plan(self, tags: Sequence[Tag]) -> list[Request]:
        first = {t.id: self.seen.setdefault(t.id, t.address) for t in tags}
        return super().plan([replace(t, address=first[t.id]) for t in tags])


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Forgets, "exactly once"), (Repeats, "exactly once"), (InOrderOfTags, "order of tags"),
        (WaitsForEver, "still waits"), (TakesTooMuch, "each answer"), (Careless, "other tags"),
        (OwnTime, "time column"), (TakesAnyLength, "must raise Malformed"),
        (Stubborn, "replan never ends"), (WritesElsewhere, "read back"),
        (WritesAnything, "must raise Invalid"), (SharedState, "must raise ConfigError"),
    ],
)  # fmt: skip
def test_a_careless_driver_is_caught(kind: type[Modbus], words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        check_driver(lambda: kind(Settings(host="::1")), TAGS, Device())


def test_a_driver_that_crashes_on_garbage_shows_its_own_error() -> None:
    with pytest.raises(IndexError):
        check_driver(lambda: Crashes(Settings(host="::1")), TAGS, Device())


def test_settings_without_titles_or_frost_are_caught() -> None:
    @dataclass
    class Loose:
        host: str = "::1"

    @dataclass(frozen=True, kw_only=True)
    class Untitled:
        host: str = "::1"

    for settings, words in ((Loose, "frozen"), (Untitled, "has no title")):
        with pytest.raises(AssertionError, match=words):
            check_settings(settings)


CASE = """
[settings]
host = "::1"
[[tag]]
address = "holding:0"
[[exchange]]
send = "0001 0000 0006 01 03 0000 0001"
receive = "0001 0000 0005 01 03 02 0007"
[[expect]]
address = "holding:0"
value = 7
"""


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("value = 7", "value = 8", "expected"),
        ("value = 7", 'value = 7\nquality = "BAD"', "expected"),
        ("0000 0001", "0000 0002", "was not captured"),
        ("0001 0000 0005", "0002 0000 0005", "another's"),
        ('[[exchange]]\nsend = "0001 ', '[[exchange]]\nsend="ff"\nreceive=""\n[[exchange]]\nsend = "0001 ', "never asked"),
        ('[[expect]]\naddress = "holding:0"', '[[expect]]\naddress = "holding:1"', "told"),
    ],
)  # fmt: skip
def test_a_case_that_differs_names_itself(tmp_path: Path, old: str, new: str, words: str) -> None:
    case = tmp_path / "mine" / "case.toml"
    case.parent.mkdir()
    case.write_text(CASE)
    run_case(case, DRIVER)
    case.write_text(CASE.replace(old, new))
    with pytest.raises(AssertionError, match=words) as caught:
        run_case(case, DRIVER)
    assert "case mine" in str(caught.value)


def test_the_device_of_these_tests_serves_what_it_is_told() -> None:
    device = Device()
    device.holding[5] = 7
    answer = device(bytes.fromhex("0001000000060103000500 01".replace(" ", "")))
    assert answer == bytes.fromhex("00010000000501030200 07".replace(" ", ""))
    assert np.count_nonzero(device.holding) == 1
