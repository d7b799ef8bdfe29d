"""Conformance of a polled driver: every driver must survive these, whatever its protocol.

`check_driver` needs no socket and no device: the author brings a function that answers like one.
Each failure is an AssertionError that says which promise of `PolledDriver` is broken.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np

from ..driver import PolledDriver, Request
from ..errors import ConfigError, Invalid, Malformed, Refused
from ..samples import Samples
from ..settings import described
from ..tag import Tag
from ..view import in_language

Make = Callable[[], PolledDriver]
Device = Callable[[bytes], bytes]
TIME = 1_780_000_000_000_000_000
CODES = (0, 1, 2, 3, 4)  # of refusals, tried one after the other
LONGEST = 65_536  # bytes of garbage after which `whole` must have decided


def check_driver(make: Make, tags: Sequence[Tag], device: Device, seed: int = 0) -> None:
    """Hold a driver to what `PolledDriver` promises.

    make: a fresh driver, as for a new connection. tags: at least two, the more kinds of address
    the better; those `writable` are written and read back. device: one whole question in, its
    whole answer out; it keeps what was written. seed: of the garbage and the order of tags.
    """
    assert len(tags) >= 2, "bring at least two tags"
    chance = random.Random(seed)
    check_settings(type(make().settings))
    check_plan(make, tags, chance)
    check_stream(make, tags, device)
    check_decode(make, tags, device, chance)
    check_garbage(make, tags, device, chance)
    check_refusals(make, tags)
    check_writes(make, tags, device)
    check_addresses(make, tags)


def check_settings(settings: type) -> None:
    """A frozen dataclass; every line made with `setting()` and titled in both languages."""
    assert is_dataclass(settings), f"{settings.__name__} is not a dataclass"
    made: Any = settings  # the parameters of a dataclass are not in its type
    assert made.__dataclass_params__.frozen, f"{settings.__name__} must be frozen"
    for line in fields(settings):
        assert line.kw_only, f"{settings.__name__} must be kw_only"
        title = described(line)["title"]
        assert title, f"settings: {line.name} has no title; use setting(..., title=...)"
        assert in_language(title, "en") != title, f"settings: {line.name}: write «中文 English»"


def check_plan(make: Make, tags: Sequence[Tag], chance: random.Random) -> None:
    """Every tag exactly once; neither the order of tags nor a repetition changes the questions."""
    assert make().plan([]) == [], "no tags, no questions"
    driver = make()
    plan = driver.plan(tags)
    assert all(r.tags.dtype == np.int32 for r in plan), "request.tags is an int32 array"
    planned = sorted(int(t) for r in plan for t in r.tags)
    assert planned == sorted(t.id for t in tags), "every tag is planned exactly once"
    assert len(plan) <= len(tags), "more questions than tags"
    asked = sorted(r.payload for r in plan)
    assert sorted(r.payload for r in driver.plan(tags)) == asked, "planning again asks otherwise"
    mixed = list(tags)
    chance.shuffle(mixed)
    for other in (mixed, list(reversed(tags))):
        again = sorted(r.payload for r in make().plan(other))
        assert again == asked, "the order of tags must not matter"


def check_stream(make: Make, tags: Sequence[Tag], device: Device) -> None:
    """However the stream of answers is cut, `whole` finds the same answers."""
    driver = make()
    sent = [driver.numbered(r, n + 1) for n, r in enumerate(driver.plan(tags)[:8])]
    answers = [device(question) for question in sent]
    stream = b"".join(answers)
    whole = _cut(driver, [stream])
    assert [frame for frame, _ in whole] == answers, "whole() must find each answer of the stream"
    numbers = [number for _, number in whole]
    known = [n for n in numbers if n is not None]
    assert known in ([], list(range(1, len(answers) + 1))), f"wrong numbers: {numbers}"
    for at in range(0, len(stream) + 1, max(1, len(stream) // 500)):
        parts = [stream[:at], stream[at:]]
        assert _cut(make(), parts) == whole, f"cut at byte {at} the stream gives other answers"
    bytewise = [stream[i : i + 1] for i in range(len(stream))]
    assert _cut(make(), bytewise) == whole, "byte by byte the stream gives other answers"


def check_decode(make: Make, tags: Sequence[Tag], device: Device, chance: random.Random) -> None:
    """Samples of exactly the request's tags, with the given time, whatever the order asked."""
    first = read(make(), tags, device)
    mixed = list(tags)
    chance.shuffle(mixed)
    assert read(make(), mixed, device) == first, "values must not depend on the order of tags"
    one, other = make(), make()
    other.plan(tags[: len(tags) // 2])
    assert read(one, tags, device) == first, "two connections must not notice each other"
    assert first.keys() == {t.id for t in tags}, "some tags were never told"


def check_garbage(make: Make, tags: Sequence[Tag], device: Device, chance: random.Random) -> None:
    """Truncated, lengthened, changed or random bytes raise Malformed or Refused, nothing else."""
    driver = make()
    for request in driver.plan(tags)[:8]:
        answer = device(driver.numbered(request, 1))
        short = range(0, len(answer), max(1, len(answer) // 100))
        for wrong in [answer[:k] for k in short] + [answer + b"\0", answer + answer]:
            assert not _survives(driver, request, wrong), (
                f"decode must raise Malformed for {len(wrong)} bytes instead of {len(answer)}"
            )
        for _ in range(200):
            changed = bytearray(answer)
            for _ in range(chance.randint(1, 4)):
                changed[chance.randrange(len(changed))] = chance.randrange(256)
            _survives(driver, request, bytes(changed))
            _survives(driver, request, chance.randbytes(chance.randint(0, 64)))
    fills = [bytes([fill]) * LONGEST for fill in (0x00, 0x01, 0x7F, 0x80, 0xFF)]
    for noise in [*fills, *(chance.randbytes(LONGEST) for _ in range(20))]:
        try:
            length, _ = make().whole(noise)
        except Malformed as error:
            assert error.frame, "Malformed must keep the frame"
            continue
        assert 0 < length <= len(noise), f"whole() still waits after {LONGEST} bytes of garbage"


def check_refusals(make: Make, tags: Sequence[Tag]) -> None:
    """`replan` ends, and never asks for a tag that the refused question did not have."""
    for code in CODES:
        driver = make()
        for request in driver.plan(tags):
            open_, rounds = [(request, 0)], 0
            while open_:
                asked, depth = open_.pop()
                smaller = driver.replan(asked, Refused("no", code))
                told = [int(t) for r in smaller for t in r.tags]
                assert len(told) == len(set(told)), "replan asks for a tag twice"
                assert set(told) <= {int(t) for t in asked.tags}, "replan asks for other tags"
                assert asked not in smaller, "replan must not ask the refused question again"
                open_ += [(r, depth + 1) for r in smaller]
                rounds += 1
                assert rounds <= 8 * len(tags) + 8, f"replan never ends (code {code})"
        planned = sorted(int(t) for r in driver.plan(tags) for t in r.tags)
        assert planned == sorted(t.id for t in tags), "after refusals a tag is lost from the plan"


def check_writes(make: Make, tags: Sequence[Tag], device: Device) -> None:
    """What was written is read back; a value that does not fit raises Invalid."""
    for tag in (t for t in tags if t.writable):
        driver = make()
        before = read(driver, [tag], device)[tag.id]
        for value in _values(tag, before):
            ask(driver, driver.write(tag, value), device)
            now = read(driver, [tag], device)[tag.id]
            assert now == value, f"{tag.name}: wrote {value!r}, read back {now!r}"
        wrong: tuple[float | str, ...] = ("中" * 3000,) if tag.kind == "text" else (
            float("nan"), float("inf"), "not a number",
        )  # fmt: skip
        for value in wrong:
            try:
                driver.write(tag, value)
            except Invalid as error:
                assert error.why, f"{tag.name}: say why {value!r} does not fit"
            else:
                raise AssertionError(f"{tag.name}: write({value!r}) must raise Invalid")


def check_addresses(make: Make, tags: Sequence[Tag]) -> None:
    """A wrong address is a ConfigError that names the tag."""
    for address in ("", "?!", "no such address, ever"):
        tag = replace(tags[0], address=address, asset="check/driver", property="wrong-address")
        try:
            make().plan([*tags[1:], tag])
        except ConfigError as error:
            assert tag.name in str(error), f"the error for {address!r} must name the tag: {error}"
        else:
            raise AssertionError(f"plan must raise ConfigError for the address {address!r}")


def read(driver: PolledDriver, tags: Sequence[Tag], device: Device) -> dict[int, float | str]:
    """The present raw value of each tag, by tag number."""
    told = ask(driver, driver.plan(tags), device)
    return {
        int(tag): value
        for samples in told
        for tag, value in zip(samples.tag, samples.value.tolist(), strict=True)
    }


def ask(driver: PolledDriver, requests: Sequence[Request], device: Device) -> list[Samples]:
    """Put questions one after the other; what they told. Holds each answer to the contract."""
    told = []
    for n, request in enumerate(requests):
        samples = driver.decode(request, device(driver.numbered(request, n + 1)), TIME)
        check_samples(request, samples)
        told += samples
    return told


def check_samples(request: Request, told: Sequence[Samples]) -> None:
    """At most one `Samples` of numbers and one of texts, of the request's tags and the time."""
    texts = [s.is_text for s in told]
    assert len(set(texts)) == len(texts), "at most one Samples of numbers and one of texts"
    tags = sorted(int(t) for s in told for t in s.tag)
    assert tags == sorted(int(t) for t in request.tags), "decode told other tags than the request's"
    for samples in told:
        assert (samples.time == TIME).all(), "the time column must be the time that was passed"
        kinds = (samples.tag.dtype, samples.time.dtype, samples.quality.dtype)
        assert kinds == (np.int32, np.int64, np.uint8), f"columns of wrong types: {kinds}"
        assert samples.is_text or samples.value.dtype == np.float64, "numbers travel as float64"


def _cut(driver: PolledDriver, parts: Sequence[bytes]) -> list[tuple[bytes, int | None]]:
    """The answers found in a stream that arrives in these parts."""
    buffer, found = bytearray(), []
    for part in parts:
        buffer += part
        while buffer:
            length, number = driver.whole(buffer)
            if not length:
                break
            found.append((bytes(buffer[:length]), number))
            del buffer[:length]
    assert not buffer, "whole() left bytes of whole answers behind"
    return found


def _survives(driver: PolledDriver, request: Request, answer: bytes) -> bool:
    """Whether decode took it; any error but Malformed and Refused goes on to the author."""
    try:
        told = driver.decode(request, answer, TIME)
    except Malformed as error:
        assert error.frame == answer, "Malformed must keep the frame"
        return False
    except Refused:
        return False
    check_samples(request, told)
    return True


def _values(tag: Tag, before: float | str) -> tuple[float | str, ...]:
    """Two values to write: another one than before, then another again."""
    if tag.kind == "text":
        return ("A1", "B2") if before != "A1" else ("B2", "A1")
    return (1.0, 0.0) if before != 1.0 else (0.0, 1.0)
