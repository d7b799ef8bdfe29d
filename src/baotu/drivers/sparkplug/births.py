"""What a birth message declares: its metrics as tags, with kind, unit and alias."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass
from types import MappingProxyType

from baotu.sdk import Found, Line, Quality, Tag
from baotu.sdk.tag import Kind

from . import codec
from .datatypes import ROWS, DataType
from .topics import BDSEQ, REBIRTH, Scope

_OURS = (BDSEQ, REBIRTH)  # the session's own metrics are no tags
_UNIT_WORDS = ("engUnit", "EngUnit", "unit", "Engineering Units")
_UCUM = MappingProxyType(
    {"°C": "Cel", "℃": "Cel", "degC": "Cel", "°F": "[degF]", "rpm": "/min", "RPM": "/min",
     "m³/h": "m3/h", "Ω": "Ohm", "µm": "um"}
)  # fmt: skip
"""What people write for what UCUM calls otherwise; everything else is passed on as it came."""

_CODES = MappingProxyType(
    {0: Quality.BAD, 192: Quality.GOOD, 500: Quality.UNCERTAIN_LAST_USABLE}
)  # Sparkplug's property "Quality": bad, good, stale


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A metric of a birth. alias: -1 without. long: integers travel in the long field.

    fits: the configured kind of its tag agrees with the metric's type.
    """

    name: str
    alias: int
    datatype: int
    unit: str
    tag: Tag
    long: bool = False

    @property
    def kind(self) -> Kind:
        return ROWS[DataType(self.datatype)].kind

    @property
    def is_text(self) -> bool:
        return self.kind == "text"

    @property
    def fits(self) -> bool:
        return (self.tag.kind == "text") == self.is_text


def quality_of(properties: dict[str, codec.Scalar]) -> Quality | None:
    """The property "Quality" in our words; a classic OPC code by its severity; None without."""
    code = properties.get("Quality", properties.get("quality"))
    if not isinstance(code, int):
        return None
    if code in _CODES:
        return _CODES[code]
    return (Quality.BAD, Quality.UNCERTAIN, Quality.BAD, Quality.GOOD)[code >> 6 & 3]


def declare(
    line: Line, scope: Scope, payload: codec.Payload, counts: MutableMapping[str, int]
) -> list[Metric]:
    """The metrics of a birth that are scalars, each with its tag (id -1: not wanted)."""
    found: list[Found] = []
    rows: list[tuple[str, int, int, bool]] = []
    for i, raw_name in enumerate(payload.name):
        name = (raw_name or b"").decode("utf-8", "replace")
        row = ROWS.get(payload.datatype[i])  # type: ignore[call-overload]
        if not name or row is None:
            counts["skipped"] += 1
            continue
        if name in _OURS:
            continue
        told = payload.properties.get(i, {})
        *folders, leaf = name.split("/")
        unit = next((str(told[word]) for word in _UNIT_WORDS if told.get(word)), "")
        found.append(
            Found(
                address=scope.prefix + name,
                name=leaf or name,
                kind=row.kind,
                unit=_UCUM.get(unit, unit),
                writable=told.get("readOnly") is False,
                path=tuple(
                    part for part in (scope.group, scope.node, scope.device, *folders) if part
                ),
            )
        )
        long = bool(payload.flags[i] & codec.LONG)
        rows.append((name, payload.alias[i], payload.datatype[i], long))
    return [
        Metric(name=name, alias=alias, datatype=kind, unit=one.unit, tag=tag, long=long)
        for (name, alias, kind, long), one, tag in zip(
            rows, found, line.declare(found), strict=True
        )
    ]
