"""Units: exact conversions, clear refusals."""

import pytest

from baotu.sdk import ConfigError
from baotu.sdk.units import convert, known, linear, symbol, units


@pytest.mark.parametrize(
    ("value", "source", "target", "result"),
    [
        (212, "[degF]", "Cel", 100.0), (-40, "Cel", "degF", -40.0), (0, "Cel", "K", 273.15),
        (250, "kPa", "bar", 2.5), (1, "bar", "[psi]", 14.503773773020923), (60, "m3/h", "l/min", 1000.0),
        (3000, "1/min", "Hz", 50.0), (1, "kW.h", "MJ", 3.6), (5, "%", "1", 0.05), (7, "mm/s", "m/s", 0.007),
        (1.5, "t/h", "kg/min", 25.0), (90, "deg", "rad", 1.5707963267948966),
    ],
)  # fmt: skip
def test_known_conversions(value, source, target, result):
    assert convert(value, source, target) == pytest.approx(result, rel=1e-12)


def test_there_and_back_is_the_identity_for_every_pair_of_a_quantity():
    table = units()
    for a, left in table.items():
        for b, right in table.items():
            if left.quantity == right.quantity:
                scale, offset = linear(a, b)
                back, less = linear(b, a)
                assert (scale * back, offset * back + less) == (1, 0)


def test_an_unknown_code_names_the_nearest_and_a_wrong_pair_what_fits():
    with pytest.raises(ConfigError, match=r"unknown unit 'kpa' \(nearest: kPa"):
        convert(1, "kpa", "bar")
    with pytest.raises(ConfigError, match=r"kW \(power\) does not convert to bar \(pressure\)"):
        convert(1, "kW", "bar")


def test_symbols_are_for_people():
    assert (symbol("Cel"), symbol("m3/h"), symbol("zork")) == ("°C", "m³/h", "zork")
    assert known("kWh") and not known("zork")
