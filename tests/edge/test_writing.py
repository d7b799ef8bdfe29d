"""What was read back after a write: the same, or both values in the refusal."""

import pytest

from baotu.edge.columns import Scaling
from baotu.edge.writing import _compared, refusal
from baotu.sdk import Tag

PLAIN = Tag(id=1, asset="a", property="speed", writable=True)
TENTHS = Tag(id=2, asset="a", property="level", writable=True, scale=0.1)


@pytest.mark.parametrize(
    ("tag", "value", "back", "same"),
    [
        (PLAIN, 5.3, 5.300000190734863, True),  # a float of 32 bits
        (PLAIN, 5.3, 5.0, False),  # an integer where nobody said so
        (PLAIN, 5.3, 5.4, False),
        (TENTHS, 5.34, 53.0, True),  # an integer register keeps the nearest step
        (TENTHS, 5.34, 54.0, False),
        (TENTHS, 5.34, 53.7, False),  # no integer, so no step is forgiven
        (PLAIN, 0.0, 0.0, True),
    ],
)
def test_a_read_back_is_compared_as_finely_as_the_device_can_tell(tag, value, back, same):
    scaling = Scaling.of(tag)
    reply = _compared(tag, scaling, value, scaling.raw(value), back)
    assert reply.done is same
    if not same:
        assert reply.why.startswith(f"{tag.name}: wrote {value}, the device shows ")


def test_the_edge_itself_refuses_what_can_be_no_value():
    switch = Tag(id=3, asset="a", property="on", kind="boolean", writable=True)
    assert "not writable" in refusal(Tag(id=4, asset="a", property="b"), 1.0)
    assert "on or off" in refusal(switch, 2.0)
    assert "takes a number" in refusal(PLAIN, "fast")
    assert refusal(switch, 1.0) == ""
