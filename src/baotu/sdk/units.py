"""Units of measure by UCUM code, as plants use them: what converts into what, exactly.

A conversion is linear (target = source × scale + offset) and kept as fractions, so that 3 dPa of a
gauge never become 0.30000000000000004 of something. It never parses compound codes: a unit that
is missing is one more row of the table. Codes: The Unified Code for Units of Measure, version 2.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from fractions import Fraction
from functools import cache
from types import MappingProxyType
from typing import NamedTuple

from .errors import ConfigError


class Unit(NamedTuple):
    """quantity: only units of one quantity convert. base = value × factor + offset."""

    quantity: str
    factor: Fraction
    offset: Fraction
    symbol: str


# quantity: rows of code = factor to the first unit [+ offset] [| symbol for people]
_TABLE = """
temperature: K=1; Cel=1+273.15|°C; [degF]=5/9+45967/180|°F; [degR]=5/9|°R
pressure: Pa=1; hPa=100; kPa=1000; MPa=1000000; GPa=1000000000; bar=100000; mbar=100;
  [psi]=6894.757293168|psi; atm=101325; mm[Hg]=133.322387415|mmHg; m[H2O]=9806.65|mH2O;
  mm[H2O]=9.80665|mmH2O; kgf/cm2=98066.5|kgf/cm²; N/mm2=1000000|N/mm²
volume flow: m3/s=1|m³/s; m3/min=1/60|m³/min; m3/h=1/3600|m³/h; m3/d=1/86400|m³/d; l/s=1/1000;
  l/min=1/60000; l/h=1/3600000; L/s=1/1000; L/min=1/60000; L/h=1/3600000; ml/min=1/60000000;
  [gal_us]/min=0.003785411784/60|gpm; [cft_i]/min=0.028316846592/60|cfm
mass flow: kg/s=1; kg/min=1/60; kg/h=1/3600; g/s=1/1000; g/min=1/60000; t/h=1000/3600;
  t/d=1000/86400; [lb_av]/h=0.45359237/3600|lb/h
power: W=1; mW=1/1000; kW=1000; MW=1000000; GW=1000000000; [HP]=745.69987158227|hp
apparent power: V.A=1|VA; kV.A=1000|kVA; MV.A=1000000|MVA
reactive power: var=1; kvar=1000; Mvar=1000000
energy: J=1; kJ=1000; MJ=1000000; GJ=1000000000; W.h=3600|Wh; kW.h=3600000|kWh;
  MW.h=3600000000|MWh; GW.h=3600000000000|GWh; cal=4.184; kcal=4184; [Btu_IT]=1055.05585262|Btu
reactive energy: var.h=1|varh; kvar.h=1000|kvarh; Mvar.h=1000000|Mvarh
frequency: Hz=1; mHz=1/1000; kHz=1000; MHz=1000000; GHz=1000000000; 1/s=1; /s=1|1/s; 1/min=1/60;
  /min=1/60|1/min; 1/h=1/3600; /h=1/3600|1/h; {rpm}=1/60|rpm; [rpm]=1/60|rpm
speed: m/s=1; mm/s=1/1000; cm/s=1/100; um/s=1/1000000|µm/s; m/min=1/60; mm/min=1/60000; m/h=1/3600;
  km/h=10/36; [in_i]/s=0.0254|in/s; [ft_i]/min=0.3048/60|ft/min
acceleration: m/s2=1|m/s²; mm/s2=1/1000|mm/s²; [g]=9.80665|g
jerk: m/s3=1|m/s³
angular speed: rad/s=1; rad/min=1/60
length: m=1; km=1000; dm=1/10; cm=1/100; mm=1/1000; um=1/1000000|µm; nm=1/1000000000;
  [in_i]=0.0254|in; [ft_i]=0.3048|ft; [mil_i]=0.0000254|mil
area: m2=1|m²; cm2=1/10000|cm²; mm2=1/1000000|mm²; har=10000|ha
volume: m3=1|m³; l=1/1000; L=1/1000; dl=1/10000; ml=1/1000000; mL=1/1000000; dm3=1/1000|dm³;
  cm3=1/1000000|cm³; mm3=1/1000000000|mm³; hl=1/10; [gal_us]=0.003785411784|gal;
  [cft_i]=0.028316846592|ft³
mass: kg=1; g=1/1000; mg=1/1000000; ug=1/1000000000|µg; t=1000; kt=1000000; [lb_av]=0.45359237|lb;
  [oz_av]=0.028349523125|oz
time: s=1; ms=1/1000; us=1/1000000|µs; ns=1/1000000000; min=60; h=3600; d=86400; wk=604800;
  a=31557600
current: A=1; mA=1/1000; uA=1/1000000|µA; kA=1000
voltage: V=1; mV=1/1000; uV=1/1000000|µV; kV=1000; MV=1000000
resistance: Ohm=1|Ω; mOhm=1/1000|mΩ; kOhm=1000|kΩ; MOhm=1000000|MΩ
capacitance: F=1; uF=1/1000000|µF; nF=1/1000000000; pF=1/1000000000000
charge: C=1; A.h=3600|Ah; mA.h=3.6|mAh
magnetic flux density: T=1; mT=1/1000; G=1/10000
conductivity: S/m=1; mS/m=1/1000; mS/cm=1/10; uS/cm=1/10000|µS/cm; uS/m=1/1000000|µS/m
ratio: 1=1|; %=1/100; [ppth]=1/1000|‰; [ppm]=1/1000000|ppm; [ppb]=1/1000000000|ppb
angle: rad=1; mrad=1/1000; deg=0.017453292519943295|°; '=0.017453292519943295/60|′;
  ''=0.017453292519943295/3600|″
force: N=1; kN=1000; MN=1000000; kgf=9.80665; [lbf_av]=4.4482216152605|lbf
torque: N.m=1|N·m; kN.m=1000|kN·m; N.cm=1/100|N·cm; kgf.m=9.80665|kgf·m
density: kg/m3=1|kg/m³; g/cm3=1000|g/cm³; g/ml=1000|g/ml; kg/l=1000; g/l=1; mg/l=1/1000;
  ug/l=1/1000000|µg/l; mg/m3=1/1000000|mg/m³; ug/m3=1/1000000000|µg/m³
amount concentration: mol/m3=1|mol/m³; mol/l=1000; mmol/l=1
dynamic viscosity: Pa.s=1|Pa·s; mPa.s=1/1000|mPa·s; P=1/10; cP=1/1000
kinematic viscosity: m2/s=1|m²/s; mm2/s=1/1000000|mm²/s; St=1/10000; cSt=1/1000000
heat flux: W/m2=1|W/m²; kW/m2=1000|kW/m²
thermal conductivity: W/m/K=1|W/(m·K)
specific energy: J/kg=1; kJ/kg=1000; MJ/kg=1000000; kW.h/t=3600|kWh/t
volumetric energy: J/m3=1|J/m³; kJ/m3=1000|kJ/m³; MJ/m3=1000000|MJ/m³; kW.h/m3=3600000|kWh/m³
illuminance: lx=1; klx=1000
luminous flux: lm=1
sound level: dB=1; B=10
acidity: [pH]=1|pH
turbidity: {NTU}=1|NTU; [NTU]=1|NTU
activity: Bq=1; kBq=1000
dose: Sv=1; mSv=1/1000; uSv=1/1000000|µSv
dose rate: Sv/h=1; mSv/h=1/1000; uSv/h=1/1000000|µSv/h
data: bit=1; By=8|B; kBy=8000|kB; MBy=8000000|MB
data rate: bit/s=1; kbit/s=1000; Mbit/s=1000000; By/s=8|B/s
"""

# What people write instead of the UCUM code.
ALIASES: Mapping[str, str] = MappingProxyType({
    "degC": "Cel", "°C": "Cel", "℃": "Cel", "degF": "[degF]", "°F": "[degF]", "psi": "[psi]",
    "kWh": "kW.h", "MWh": "MW.h", "Wh": "W.h", "rpm": "{rpm}", "r/min": "{rpm}", "m³/h": "m3/h",
    "Nm": "N.m", "kVA": "kV.A", "VA": "V.A", "ppm": "[ppm]", "pH": "[pH]", "Ω": "Ohm",
    "ohm": "Ohm", "kvarh": "kvar.h", "hp": "[HP]", "°": "deg", "µm": "um", "μm": "um",
    "mmHg": "mm[Hg]", "m³": "m3", "m²": "m2", "hour": "h", "sec": "s", "Ah": "A.h", "g_n": "[g]",
})  # fmt: skip


def _number(text: str) -> Fraction:
    above, _, below = text.partition("/")
    return Fraction(above) / Fraction(below or 1)


@cache
def units() -> Mapping[str, Unit]:
    """Every unit known, by UCUM code."""
    rows: dict[str, Unit] = {}
    for line in _TABLE.replace("\n  ", " ").strip().splitlines():
        quantity, _, row_texts = line.partition(": ")
        for row in row_texts.split(";"):
            code, _, rest = row.strip().partition("=")
            law, _, shown = rest.partition("|")
            factor, _, offset = law.partition("+")
            rows[code] = Unit(
                quantity, _number(factor), _number(offset or "0"), shown if "|" in rest else code
            )
    return MappingProxyType(rows)


def _find(code: str) -> Unit | None:
    return units().get(code) or units().get(ALIASES.get(code, ""))


def unit(code: str) -> Unit:
    """The row of a UCUM code or of a common way of writing it.

    Raises ConfigError with the nearest codes.
    """
    found = _find(code)
    if found is None:
        near = get_close_matches(code, [*units(), *ALIASES], n=3, cutoff=0.4)
        hint = f"nearest: {', '.join(near)}" if near else "use a UCUM code such as Cel, bar, kW"
        raise ConfigError(f"unknown unit {code!r}", hint=hint)
    return found


def known(code: str) -> bool:
    return _find(code) is not None


def symbol(code: str) -> str:
    """How people write it: `symbol("Cel")` is `°C`; an unknown code stays as it is."""
    found = _find(code)
    return found.symbol if found else code


def linear(source: str, target: str) -> tuple[Fraction, Fraction]:
    """(scale, offset) with target value = source value × scale + offset.

    Raises ConfigError when a code is unknown or the two measure different quantities.

    >>> linear("kPa", "bar")
    (Fraction(1, 100), Fraction(0, 1))
    """
    a, b = unit(source), unit(target)
    if a.quantity != b.quantity:
        same = ", ".join([c for c, u in units().items() if u.quantity == a.quantity][:6])
        raise ConfigError(
            f"{source} ({a.quantity}) does not convert to {target} ({b.quantity})",
            hint=f"{source} converts to {same}",
        )
    return a.factor / b.factor, (a.offset - b.offset) / b.factor


def convert(value: float, source: str, target: str) -> float:
    """The same quantity in another unit, rounded once.

    >>> convert(212, "[degF]", "Cel")
    100.0
    """
    scale, offset = linear(source, target)
    return float(Fraction(value) * scale + offset)
