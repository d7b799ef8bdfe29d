"""Frames survive any cut, garbage never hangs a connection, and every lie is Malformed."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baotu.drivers.modbus.codec import FRAMINGS, RTU, TCP, Framing, crc16, tcp_wrap
from baotu.sdk import Malformed, Refused, Request

from .device import Device, driver, slow_crc, tags

framings = st.sampled_from(list(FRAMINGS.values()))
answers = st.one_of(
    st.tuples(st.sampled_from([1, 2, 3, 4, 23]), st.binary(min_size=1, max_size=250)).map(
        lambda a: bytes((a[0], len(a[1]))) + a[1]
    ),
    st.tuples(st.sampled_from([5, 6, 15, 16]), st.binary(min_size=4, max_size=4)).map(
        lambda a: bytes((a[0],)) + a[1]
    ),
    st.binary(min_size=6, max_size=6).map(lambda data: b"\x16" + data),
    st.tuples(st.sampled_from([0x81, 0x83, 0x90, 0x97]), st.integers(0, 255)).map(bytes),
)


@given(st.binary(max_size=300))
def test_the_checksum_is_that_of_the_specification(data: bytes) -> None:
    assert crc16(data).to_bytes(2, "little") == slow_crc(data)


@given(framings, st.lists(st.tuples(st.integers(0, 255), answers), max_size=4), st.data())
def test_a_stream_gives_the_same_answers_however_it_is_cut(
    framing: Framing, said: list[tuple[int, bytes]], data: st.DataObject
) -> None:
    frames = [framing.wrap(unit, pdu) for unit, pdu in said]
    stream = b"".join(frames)
    found, buffer, at = [], bytearray(), 0
    while at < len(stream):
        step = data.draw(st.integers(1, len(stream) - at))
        buffer += stream[at : at + step]
        at += step
        while (length := framing.whole(buffer)[0]) > 0:
            found.append(bytes(buffer[:length]))
            del buffer[:length]
    assert (found, bytes(buffer)) == (frames, b"")


@given(st.integers(0, 65535), answers)
def test_the_number_comes_back(number: int, pdu: bytes) -> None:
    assert TCP.whole(tcp_wrap(9, pdu, number))[1] == number


@settings(max_examples=300)
@given(framings, st.binary(min_size=260, max_size=600))
def test_after_260_bytes_garbage_is_an_answer_or_malformed(framing: Framing, noise: bytes) -> None:
    try:
        length, _ = framing.whole(noise)
    except Malformed as error:
        assert error.frame
    else:
        assert 5 <= length <= 260


@pytest.mark.parametrize(
    "noise", [b"HTTP/1.1 400 Bad Request\r\n", b"\0\1\0\1\0\6", b"\0\1\0\0\1\xff\1\3", b"\0\1\0\0\0\2\1\3"]
)  # fmt: skip
def test_what_is_no_modbus_tcp_is_told_at_once(noise: bytes) -> None:
    with pytest.raises(Malformed):
        TCP.whole(noise)


def test_a_wrong_checksum_is_malformed() -> None:
    frame = bytearray(RTU.wrap(1, bytes((3, 2, 0, 5))))
    frame[3] ^= 1
    with pytest.raises(Malformed, match="checksum"):
        RTU.whole(frame)


def one(framing: str) -> tuple[Request, bytes]:
    """A read of four registers and its right answer."""
    made, device = driver(framing=framing), Device(framing)
    request = made.plan(tags(*(f"holding:{i}" for i in range(4))))[0]
    return request, device(made.numbered(request, 7))


@settings(max_examples=400)
@given(st.sampled_from(["tcp", "rtu"]), st.binary(max_size=30))
def test_decode_of_any_bytes_raises_malformed_or_refused(framing: str, noise: bytes) -> None:
    request, right = one(framing)
    if noise == right:
        return
    with pytest.raises((Malformed, Refused)):
        driver(framing=framing).decode(request, noise, 0)


def lie(at: int, byte: int) -> bytes:
    _, right = one("tcp")
    changed = bytearray(right)
    changed[at] = byte
    return bytes(changed)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (lie(6, 9), "comes from unit 9; if that is the device, write unit = 9"),
        (lie(7, 4), "asked function 3, told 4"),
        (lie(8, 6), "lies about its lengths"),
        (lie(5, 9), "length"),
        (lie(2, 1), "length"),
        (one("tcp")[1] + b"\0", "length"),
        (one("tcp")[1][:-1], "length"),
        (struct.pack(">HHHBBBB", 7, 0, 4, 1, 0x83, 2, 0), "lies about its lengths"),
        (struct.pack(">HHHBBBHHH", 7, 0, 9, 1, 3, 6, 1, 2, 3), "lies about its lengths"),
    ],
)
def test_every_lie_is_malformed_and_keeps_the_frame(answer: bytes, why: str) -> None:
    request, _ = one("tcp")
    with pytest.raises(Malformed, match=why) as caught:
        driver().decode(request, answer, 0)
    assert caught.value.frame == answer


@given(st.integers(0, 14), st.integers(0, 7))
def test_one_changed_bit_of_an_rtu_answer_is_never_taken(byte: int, bit: int) -> None:
    request, right = one("rtu")
    changed = bytearray(right)
    changed[byte % len(right)] ^= 1 << bit
    with pytest.raises(Malformed):
        driver(framing="rtu").decode(request, bytes(changed), 0)
