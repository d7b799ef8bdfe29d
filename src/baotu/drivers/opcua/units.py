"""Units on the wire: UCUM codes, as tags have them, and UNECE common codes, as OPC UA has them.

OPC 10000-8, 5.6.3: a unit's id is its UNECE Rec. 20 code, its characters as bytes of an integer.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

NAMESPACE = "http://www.opcfoundation.org/UA/units/un/cefact"

# UCUM code → UNECE Rec. 20 common code
UNECE: Mapping[str, str] = MappingProxyType(
    {
        "Cel": "CEL", "K": "KEL", "[degF]": "FAH", "Pa": "PAL", "kPa": "KPA", "MPa": "MPA",
        "bar": "BAR", "mbar": "MBR", "m": "MTR", "mm": "MMT", "cm": "CMT", "um": "4H", "km": "KMT",
        "m2": "MTK", "m3": "MTQ", "L": "LTR", "mL": "MLT", "m/s": "MTS", "mm/s": "C16",
        "m/s2": "MSK", "m3/h": "MQH", "m3/s": "MQS", "L/min": "L2", "kg": "KGM", "g": "GRM",
        "t": "TNE", "kg/h": "E93", "kg/s": "KGS", "kg/m3": "KMQ", "N": "NEW", "kN": "B47",
        "N.m": "NU", "W": "WTT", "kW": "KWT", "MW": "MAW", "J": "JOU", "kJ": "KJO", "W.h": "WHR",
        "kW.h": "KWH", "MW.h": "MWH", "V": "VLT", "kV": "KVT", "A": "AMP", "mA": "4K", "Hz": "HTZ",
        "kHz": "KHZ", "Ohm": "OHM", "s": "SEC", "ms": "C26", "min": "MIN", "h": "HUR", "d": "DAY",
        "%": "P1", "/min": "C94", "{rpm}": "RPM", "1": "C62", "rad": "C81", "deg": "DD",
        "rad/s": "2A", "dB": "2N", "lx": "LUX", "mol": "C34", "[pH]": "Q30", "V.A": "D46",
        "kV.A": "KVA", "kvar": "KVR", "N/m2": "C55",
    }
)  # fmt: skip
UCUM: Mapping[str, str] = MappingProxyType({code: ucum for ucum, code in UNECE.items()})


def unit_id(ucum: str) -> int | None:
    """The OPC UA id of a unit, None when it has no UNECE code here.

    >>> unit_id("Cel")
    4408652
    """
    code = UNECE.get(ucum)
    return int.from_bytes(code.encode(), "big") if code else None


def ucum_of(number: int) -> str:
    """The UCUM code of an OPC UA unit id, empty when unknown.

    >>> ucum_of(4408652)
    'Cel'
    """
    if not 0 < number < 1 << 32:
        return ""
    word = number.to_bytes(4, "big").lstrip(b"\0").decode("ascii", "replace")
    return UCUM.get(word, "")
