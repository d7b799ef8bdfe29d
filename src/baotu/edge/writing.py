"""A decided write on its way to the device: checked, scaled back, sent, read back, compared."""

from __future__ import annotations

import asyncio
from math import isfinite

import structlog

from baotu.sdk import Invalid, Malformed, Refused, Tag, Unreachable
from baotu.sdk.clock import Clock
from baotu.sdk.ports import Reply

from .blame import frames_of
from .columns import Scaling
from .device import Device
from .waits import stop

log = structlog.get_logger("baotu.edge")


def refusal(tag: Tag, value: float | str) -> str:
    """Why this value cannot be written to this tag; empty when it can be tried."""
    if not tag.writable:
        return f"{tag.name} is not writable; set writable = true in its row"
    if isinstance(value, str) != (tag.kind == "text"):
        return f"{tag.name} takes a {tag.kind}, not {value!r}"
    if isinstance(value, str):
        return ""
    if not isfinite(value):
        return f"{tag.name}: {value} is no value"
    if tag.kind == "boolean" and value not in (0, 1):
        return f"{tag.name} is on or off: write 1 or 0, not {value:g}"
    low, high = tag.clamp_low, tag.clamp_high
    if (low is not None and value < low) or (high is not None and value > high):
        return f"{tag.name}: {value:g} lies outside {low} … {high}"
    return ""


async def carry_out(
    device: Device, tag: Tag, value: float | str, deadline: int, clock: Clock
) -> Reply:
    """deadline: ns UTC; afterwards nothing is sent any more."""
    left_s = (deadline - clock.now()) / 1e9
    if left_s <= 0:
        return Reply(done=False, why="expired before it was sent")
    scaling = Scaling.of(tag)
    raw = value if isinstance(value, str) else scaling.raw(value)
    doing = asyncio.ensure_future(device.write(tag, raw))
    alarm = asyncio.ensure_future(clock.sleep(left_s))
    try:
        await asyncio.wait({doing, alarm}, return_when=asyncio.FIRST_COMPLETED)
        if not doing.done():
            return Reply(done=False, why="no confirmation in time; look at the device")
    finally:
        await stop(doing, alarm)
    if doing.cancelled():
        return Reply(done=False, why="the driver gave the write up")
    error = doing.exception()
    if error is None:
        return _compared(tag, scaling, value, raw, doing.result())
    if not isinstance(error, Refused | Unreachable | Invalid | Malformed):
        frames = frames_of(error, device.spec.entry.client)
        log.error("driver failed at a write", device=device.spec.name, error=repr(error),
                  frames=frames)  # fmt: skip
        return Reply(done=False, why=f"the driver failed: {type(error).__name__}: {error}")
    return Reply(done=False, why=f"{device.spec.name}: {error}")


def _compared(
    tag: Tag, scaling: Scaling, value: float | str, raw: float | str, back: float | str
) -> Reply:
    if isinstance(raw, str) or isinstance(back, str):
        same, shown = raw == back, back
    else:
        # an integer register keeps the nearest step of a scaled value; a float its 24 bits
        step = 0.5 if not scaling.trivial and float(back).is_integer() else 0.0
        same = abs(back - raw) <= step + 1e-6 * abs(raw)
        shown = (back * scaling.numerator + scaling.addend) / scaling.denominator
    why = "" if same else f"{tag.name}: wrote {value}, the device shows {shown}"
    return Reply(done=same, why=why, value=shown)
